"""Draws the progress of a training on a terminal, after ProgressHook has told of it."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook

from training.progress.reporter import ProgressReporter
from training.tracking.terminal import StatusLine, status_text

MIN_INTERVAL_S = 0.1


class TerminalHook(Hook):
    """Registered where a person looks on."""

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
        rates = [values[0] for name, values in runner.optim_wrapper.get_lr().items() if name.endswith("lr") and values]
        self._line.draw(
            status_text(
                self._reporter.state(),
                loss=float(torch.as_tensor((outputs or {}).get("loss", 0.0)).detach()),
                learning_rate=float(rates[0]) if rates else None,
                per_epoch=len(runner.train_dataloader),
            )
        )

    def after_train(self, runner: Any) -> None:
        self._line.end()
