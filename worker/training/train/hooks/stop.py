"""Ends the training after SIGTERM, with a checkpoint after the running iteration."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

from typing import Any, NoReturn

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from training.errors import Interrupted
from training.process.signals import StopRequest
from training.train.checkpoints.writer import CheckpointWriter
from training.train.distributed.collectives import any_rank
from training.train.hooks.checkpoint import CheckpointHook, is_within_epoch


class StopHook(Hook):
    """Raises Interrupted (exit code 143) in all ranks once any of them got SIGTERM.

    Must be registered after CheckpointHook, which has the same priority, so that it runs after that.
    """

    priority = "LOWEST"

    def __init__(
        self, stop: StopRequest, checkpoints: CheckpointHook, writer: CheckpointWriter, *, resumed_from: str | None
    ) -> None:
        """`resumed_from`: the URI of the checkpoint that this attempt resumed from."""
        self._stop = stop
        self._checkpoints = checkpoints
        self._writer = writer
        self._resumed_from = resumed_from

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if is_within_epoch(runner, batch_idx) and any_rank(self._stop.requested):
            self._checkpoints.save(runner, epoch_ended=False)
            self._end()

    def after_train_epoch(self, runner: Any) -> None:
        if any_rank(self._stop.requested):
            self._checkpoints.save(runner, epoch_ended=True)
            self._end()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if any_rank(self._stop.requested):
            self._end()

    def _end(self) -> NoReturn:
        last = None
        if is_main_process():
            self._writer.hurry()
            last = self._writer.wait()
        if last is not None:
            raise Interrupted(
                f"SIGTERM ended the training at iteration {last.iteration}; {self._checkpoints.uri(last)} continues it."
            )
        if self._resumed_from:
            raise Interrupted(f"SIGTERM ended the training; {self._resumed_from} continues it.")
        raise Interrupted("SIGTERM ended the training before its first checkpoint; the next attempt starts afresh.")
