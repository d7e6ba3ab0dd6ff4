"""A hook for mmengine that writes down when each training iteration ended, in whatever program trains.

`custom_imports` of a config names this module, ITERATION_CLOCK the file: a line an iteration, seconds since
1970.
"""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import os
import time
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class IterationClock(Hook):
    """Last of all at its point, so that what other hooks do is in the iteration's time."""

    priority = "LOWEST"

    def before_train(self, runner: Any) -> None:
        self._file = open(os.environ["ITERATION_CLOCK"], "w", buffering=1)  # noqa: PTH123, SIM115  as long as it runs

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        self._file.write(f"{time.time()} {runner.epoch}\n")
