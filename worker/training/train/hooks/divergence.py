"""Ends a training whose loss became NaN or infinite: its weights would be useless from then on."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import math
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook

from training.errors import WorkerError
from training.train.hooks.readings import loss_of


class DivergenceError(WorkerError):
    """The loss became NaN or infinite. Exit code 1, since neither data nor options are known to be wrong."""


class LossHook(Hook):
    """Checks the loss of every iteration, before CheckpointHook could save the bad weights."""

    priority = "ABOVE_NORMAL"

    def __init__(self, last_checkpoint: Callable[[], str | None]) -> None:
        """`last_checkpoint` returns the URI of the last checkpoint, for the error message."""
        self._last_checkpoint = last_checkpoint

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        loss = loss_of(outputs)
        if not math.isfinite(loss):
            good = self._last_checkpoint()
            raise DivergenceError(
                f"The loss became {loss} in iteration {runner.iter + 1} (epoch {runner.epoch + 1}); lower the learning "
                f"rate or check the annotations; "
                f"{f'the last good checkpoint is {good}' if good else 'there is no checkpoint yet'}."
            )
