"""A hook for mmengine that writes down when each training iteration ended, in whatever program trains.

`custom_imports` of a config names this module, ITERATION_CLOCK the file: a line an iteration, seconds since
1970.
"""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import copy
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class IterationClock(Hook):
    """Last of all at its point, so that what other hooks do is in the iteration's time."""

    priority = "LOWEST"

    def __init__(self, *, channels_last: bool = False, cached_pages: bool = False) -> None:
        """`channels_last`: the network's weights in that order in memory. `cached_pages`: each page is decoded once."""
        self._channels_last = channels_last
        self._cached_pages = cached_pages

    def before_train(self, runner: Any) -> None:
        if self._channels_last:
            runner.model.to(memory_format=torch.channels_last)
        if self._cached_pages:
            LoadImageFromFile.transform = _cached(LoadImageFromFile.transform)
        self._file = open(os.environ["ITERATION_CLOCK"], "w", buffering=1)  # noqa: PTH123, SIM115  as long as it runs

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        self._file.write(f"{time.time()} {runner.epoch}\n")


def _cached(transform: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    pages: dict[str, dict[str, Any]] = {}

    def load(self: Any, results: dict[str, Any]) -> Any:
        found = pages.get(results["img_path"])
        if found is None:
            loaded = transform(self, dict(results))
            found = pages[results["img_path"]] = {key: loaded[key] for key in ("img", "img_shape", "ori_shape")}
        return {**results, **copy.deepcopy(found)}

    return load
