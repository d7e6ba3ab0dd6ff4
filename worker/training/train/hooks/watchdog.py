"""Tells the watchdog of the steps of a training and its evaluations: each batch is one."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

from typing import Any

from mmengine.hooks import Hook

from training.process.watchdog import Watchdog


class WatchdogHook(Hook):
    """Must be registered after all hooks of the same priority, so that a step includes what they do, such as exchanges
    with other ranks, in which most trainings hang.

    Between the batches of an epoch and those of its evaluation, and while metrics are computed, no step is expected.
    """

    priority = "LOWEST"

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    def before_train_epoch(self, runner: Any) -> None:
        self._watchdog.begin()

    def before_val_epoch(self, runner: Any) -> None:
        self._watchdog.begin()

    def before_test_epoch(self, runner: Any) -> None:
        self._watchdog.begin()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._done(batch_idx, runner.train_dataloader)

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._done(batch_idx, runner.val_dataloader)

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._done(batch_idx, runner.test_dataloader)

    def _done(self, batch_idx: int, batches: Any) -> None:
        if batch_idx + 1 < len(batches):
            self._watchdog.step()
        else:
            self._watchdog.rest()
