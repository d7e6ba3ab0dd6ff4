"""Recipes of a config: which one applies, what it changes, and what wins over it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from tests.support.paths import REPOSITORY
from training.errors import ConfigError
from training.model import config, recipe

SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9}
ADAMW = {"type": "AdamW", "lr": 0.001}


def source(**more: Any) -> dict[str, Any]:
    return {"optim_wrapper": {"optimizer": dict(SGD)}, "train_cfg": {"max_epochs": 20}, **more}


def merged(content: dict[str, Any], *, base_weights: bool, options: dict[str, Any] | None = None) -> dict[str, Any]:
    found = Config(content, format_python_code=False)
    recipe.merge(found, options or {}, base_weights=base_weights, name="mine.py")
    return dict(found.to_dict())


RECIPES = {
    "with_base_weights": {"optim_wrapper": {"optimizer": {"lr": 0.01}}, "train_cfg": {"max_epochs": 6}},
    "without_base_weights": {"optim_wrapper": {"optimizer": {"_delete_": True, **ADAMW}}},
}


@pytest.mark.parametrize(("base_weights", "optimizer", "epochs"), [(True, {**SGD, "lr": 0.01}, 6), (False, ADAMW, 20)])
def test_the_recipe_that_applies_is_merged_and_neither_remains(
    base_weights: bool, optimizer: dict[str, Any], epochs: int
) -> None:
    assert merged(source(**RECIPES), base_weights=base_weights) == {
        "optim_wrapper": {"optimizer": optimizer},
        "train_cfg": {"max_epochs": epochs},
    }


@pytest.mark.parametrize("absent", [None, {}, {"_delete_": True}])
def test_a_recipe_can_be_switched_off(absent: Any) -> None:
    assert merged(source(without_base_weights=absent), base_weights=False) == source()


def test_what_a_recipe_deletes_need_not_be_there() -> None:
    content = source(without_base_weights={"_delete_": True, "extra": {"_delete_": True, "steps": [{"a": 1}]}})
    assert merged(content, base_weights=False) == source(extra={"steps": [{"a": 1}]})


def test_options_win_over_the_recipe() -> None:
    options = {"optim_wrapper.optimizer.lr": 0.5, "train_cfg.max_epochs": 3}
    found = merged(source(**RECIPES), base_weights=True, options=options)
    assert found["optim_wrapper"]["optimizer"] == {**SGD, "lr": 0.5}
    assert found["train_cfg"] == {"max_epochs": 3}


def test_options_can_change_a_recipe_or_switch_it_off() -> None:
    changed = {"without_base_weights.optim_wrapper.optimizer.lr": 0.5}
    found = merged(source(**RECIPES), base_weights=False, options=changed)
    assert found["optim_wrapper"]["optimizer"] == {**ADAMW, "lr": 0.5}
    assert merged(source(**RECIPES), base_weights=False, options={"without_base_weights": None}) == source()


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (source(without_base_weights=[1]), {}, "without_base_weights in the config mine.py must be a dict"),
        (source(without_base_weights={"train_cfg": {"max_epochs": {"a": 1}}}), {}, "does not fit the config mine.py"),
        (source(), {"train_cfg.max_epochs.a": 1}, "--cfg-options do not fit the config mine.py"),
    ],
)
def test_what_does_not_fit_is_refused(content: dict[str, Any], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        merged(content, base_weights=False, options=options)
    assert sentence in str(refused.value)


NAMES = st.text("abcxyz_", min_size=1, max_size=8).filter(lambda name: name not in (recipe.WITH, recipe.WITHOUT))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=50)
@given(content=st.dictionaries(NAMES, VALUES, max_size=5), base_weights=st.booleans())
def test_a_config_without_recipes_is_unchanged(content: dict[str, Any], base_weights: bool) -> None:
    assert merged(content, base_weights=base_weights) == Config(content).to_dict()


@pytest.mark.parametrize("name", ["config_3_cls_w18.py", "config_3_cls_tiny.py"])
def test_a_built_in_config_is_the_same_network_with_and_without_base_weights(name: str) -> None:
    """So that the model of one training can be the base weights of the next."""
    found = [config.load(REPOSITORY / "configs" / name, base_weights=base_weights) for base_weights in (True, False)]
    for loaded in found:
        assert not {recipe.WITH, recipe.WITHOUT} & set(loaded)
        assert "_delete_" not in str(loaded.to_dict())
        for key in ("norm_eval", "norm_cfg"):
            loaded.model.backbone.pop(key, None)
    assert found[0].model == found[1].model
    assert found[0].optim_wrapper != found[1].optim_wrapper


def test_a_config_that_inherits_from_a_built_in_one_can_change_its_recipe(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    base = REPOSITORY / "configs" / "config_3_cls_w18.py"
    mine.write_text(
        f"_base_ = [{str(base)!r}]\nwithout_base_weights = dict(optim_wrapper=dict(optimizer=dict(lr=0.5)))\n"
    )
    optimizer = config.load(mine).optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, "momentum" in optimizer) == ("AdamW", 0.5, False)
