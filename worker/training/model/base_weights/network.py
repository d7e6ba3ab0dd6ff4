"""Builds a config's network to learn which tensors it has. Importing this takes seconds, since it imports torch."""

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.registry import DefaultScope

from training.errors import ConfigError


def network_state(config: Any, *, name: str) -> dict[str, torch.Tensor]:
    """The tensors of the network that a config builds, not yet initialised. `name` is the config's, for messages.

    Raises ConfigError if it builds none.
    """
    register_all_modules(init_default_scope=False)
    try:
        with DefaultScope.overwrite_default_scope(config.get("default_scope") or "mmdet"):
            network = MODELS.build(config["model"])
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The config {name} builds no network: {error}") from error
    return dict(network.state_dict())
