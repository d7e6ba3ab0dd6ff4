"""Draws the progress of a training on a terminal, from what ProgressHook has reported."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import logging
import time
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook

from training.progress.reporter import ProgressReporter
from training.tracking.terminal import StatusLine, status_text
from training.train.hooks.readings import learning_rate_of, loss_of

MIN_INTERVAL_S = 0.1


class TerminalHook(Hook):
    """Registered only if stderr is a terminal. Runs after ProgressHook."""

    priority = "VERY_LOW"

    def __init__(
        self, reporter: ProgressReporter, line: StatusLine, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reporter = reporter
        self._line = line
        self._clock = clock
        self._next_s = 0.0

    def before_train(self, runner: Any) -> None:
        self._line.take_over(logging.getLogger(), runner.logger)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if self._clock() < self._next_s:
            return
        self._next_s = self._clock() + MIN_INTERVAL_S
        self._line.draw(
            status_text(
                self._reporter.state(),
                loss=loss_of(outputs),
                learning_rate=learning_rate_of(runner),
                per_epoch=len(runner.train_dataloader),
            )
        )

    def after_train(self, runner: Any) -> None:
        self._line.end()
