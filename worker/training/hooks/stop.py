"""Ends the training after SIGTERM, with a checkpoint of the iteration that was running."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

from typing import Any, NoReturn

from mmengine.hooks import Hook

from training.errors import Interrupted
from training.hooks.checkpoint import CheckpointHook
from training.interrupt import StopRequest


class StopHook(Hook):
    """Runs after CheckpointHook, to which it is registered later. Raises Interrupted (exit 143)."""

    priority = "LOWEST"

    def __init__(self, stop: StopRequest, checkpoints: CheckpointHook) -> None:
        self._stop = stop
        self._checkpoints = checkpoints

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        # The last iteration of an epoch is followed by the checkpoint of the epoch, which is the better one to continue
        # from. Gradients that accumulate towards the optimizer's next step would be lost: it is waited for.
        within = batch_idx + 1 < len(runner.train_dataloader)
        if self._stop.requested and within and runner.optim_wrapper.should_update():
            self._checkpoints.save(runner, epoch_ended=False)
            self._end()

    def after_train_epoch(self, runner: Any) -> None:
        if self._stop.requested:
            self._end()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._stop.requested:
            self._end()

    def _end(self) -> NoReturn:
        last = self._checkpoints.last
        if last is None:
            raise Interrupted(
                "SIGTERM ended the training before its first checkpoint; the next attempt starts where this one did."
            )
        raise Interrupted(
            f"SIGTERM ended the training at iteration {last.iteration}; {self._checkpoints.last_uri} continues it."
        )
