"""Merges into a config what its recipes and --cfg-options say.

A config may hold two recipes, `with_base_weights = dict(...)` and `without_base_weights = dict(...)`: settings for a
training that starts from base weights, and for one that starts from random weights. The one that applies is merged over
the config as a config is over its `_base_`, `_delete_=True` included. What remains holds the outcome, not the recipes.
"""

import copy
import logging
from collections.abc import Mapping
from typing import Any

from training.errors import ConfigError

logger = logging.getLogger(__name__)
WITH, WITHOUT = "with_base_weights", "without_base_weights"
_DELETE = "_delete_"


def merge(config: Any, options: Mapping[str, Any], *, base_weights: bool, name: str) -> None:
    """Merge over an mmengine Config, in place, the recipe for a training with or without base weights, then
    --cfg-options, which win. Options that begin with a recipe's name change the recipe.

    `name` is the config's in messages. Raises ConfigError if something does not fit.
    """
    options = dict(options)
    for_recipes = {key: options.pop(key) for key in list(options) if key.split(".")[0] in (WITH, WITHOUT)}
    _merge(config, for_recipes, what=f"--cfg-options do not fit the config {name}")
    recipes = {key: config.pop(key, None) for key in (WITH, WITHOUT)}
    chosen = WITH if base_weights else WITHOUT
    recipe = recipes[chosen] or {}
    if not isinstance(recipe, dict):
        raise ConfigError(f"{chosen} in the config {name} must be a dict of settings.")
    recipe.pop(_DELETE, None)
    if recipe:
        logger.info("%s of the config %s applies: %s", chosen, name, ", ".join(recipe))
        _merge(config, recipe, what=f"{chosen} does not fit the config {name}")
        _drop_delete(list(config.values()))
    _merge(config, options, what=f"--cfg-options do not fit the config {name}")


def _merge(config: Any, settings: Mapping[str, Any], *, what: str) -> None:
    try:
        config.merge_from_dict(copy.deepcopy(dict(settings)))
    except Exception as error:
        raise ConfigError(f"{what}: {error}") from error


def _drop_delete(value: Any) -> None:
    """Remove the word `_delete_`, which mmengine leaves where there was nothing to delete."""
    if isinstance(value, dict):
        value.pop(_DELETE, None)
        _drop_delete(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            _drop_delete(item)
