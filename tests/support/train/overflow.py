"""A hook of mmengine, for configs of tests: in one iteration a gradient overflows, although the loss is finite."""

import math
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from tests.support.train.place import Place


@HOOKS.register_module()
class OverflowHook(Hook):  # type: ignore[misc]
    def __init__(self, iteration: int) -> None:
        """`iteration` counts from 1."""
        self._iteration = iteration

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:  # noqa: ARG002
        if runner.iter + 1 == self._iteration:
            weight = next(weight for weight in runner.model.parameters() if weight.requires_grad)
            weight.register_hook(lambda gradient: gradient * math.inf)


def overflowing_config(place: Place, *, iteration: int) -> Path:
    """The place's config, with a gradient that overflows in that iteration."""
    path = place.root / "overflows.py"
    path.write_text(
        f"_base_ = [{str(place.config)!r}]\n"
        f"custom_imports = dict(imports=[{__name__!r}])\n"
        f"custom_hooks = [dict(type='OverflowHook', iteration={iteration})]\n"
    )
    return path
