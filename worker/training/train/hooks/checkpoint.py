"""Saves checkpoints after epochs, every few minutes, and on demand; CheckpointWriter commits them in the background."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from training.errors import Transient
from training.model.metrics import detection_metrics
from training.storage.files import local_errors
from training.train.checkpoints.checkpoint import Checkpoint, CheckpointInterval
from training.train.checkpoints.store import CheckpointStore
from training.train.checkpoints.writer import CheckpointWriter, SavedCheckpoint
from training.train.distributed.collectives import any_rank, check_contact
from training.train.hooks.divergence import LastGood, require_finite
from training.train.hooks.readings import network_of

logger = logging.getLogger(__name__)


class CheckpointHook(Hook):
    """Runs after the other hooks: schedulers have stepped, so that the saved state is what the next iteration starts
    from.
    """

    priority = "LOWEST"

    def __init__(
        self,
        store: CheckpointStore,
        writer: CheckpointWriter,
        *,
        interval: CheckpointInterval,
        classes: tuple[str, ...],
        training: Mapping[str, Any],
        last_good: LastGood,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`training` is stored in the meta of every checkpoint. `last_good` is for the message of DivergenceError."""
        self._store = store
        self._writer = writer
        self._interval = interval
        self._classes = classes
        self._training = dict(training)
        self._last_good = last_good
        self._clock = clock
        self._saved_s = clock()
        self._saved_iteration = -1

    def uri(self, checkpoint: Checkpoint) -> str:
        """The URI of a checkpoint."""
        return self._store.uri(checkpoint)

    def before_train(self, runner: Any) -> None:
        self._saved_s = self._clock()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        if is_within_epoch(runner, batch_idx) and any_rank(
            is_main_process() and self._clock() - self._saved_s >= 60.0 * self._interval.minutes
        ):
            self._save_or_go_on(runner, epoch_ended=False)

    def after_train_epoch(self, runner: Any) -> None:
        check_contact()
        if (runner.epoch + 1) % self._interval.epochs == 0 or runner.epoch + 1 == runner.max_epochs:
            self._save_or_go_on(runner, epoch_ended=True)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        if is_main_process():
            self._writer.record_metrics(runner.iter, detection_metrics(metrics or {}, self._classes))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        # Drops the history of the losses, which only smooths log lines: it alone is neither tensors nor plain data.
        information = checkpoint["message_hub"]["runtime_info"]
        plain = {name: _plain(value) for name, value in information.items() if isinstance(value, int | float | str)}
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": plain,
            "resumed_keys": dict.fromkeys(plain, True),
        }

    def save(self, runner: Any, *, epoch_ended: bool) -> None:
        """Save the state after the running iteration, if that is not saved already. Within an epoch mmengine has not
        counted the running iteration yet. Raises Transient if the disk is full, DivergenceError if weights, buffers or
        optimizer state are not finite: such a checkpoint would be taken for a good one. All ranks must call this.
        """
        self._saved_s = self._clock()
        epoch = runner.epoch + 1 if epoch_ended else runner.epoch
        iteration = runner.iter if epoch_ended else runner.iter + 1
        state = {"": network_of(runner).state_dict(), "optimizer": runner.optim_wrapper.state_dict()}
        require_finite(dict(named_tensors(state)), self._last_good, iteration=iteration)
        if not is_main_process() or iteration == self._saved_iteration:
            return
        path = self._store.scratch / f"saving_{iteration}.pth"
        meta = {"epoch": epoch, "iter": iteration, "training": self._training}
        try:
            with local_errors(path):
                runner.save_checkpoint(str(path.parent), path.name, meta=meta, by_epoch=epoch_ended)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._saved_iteration = iteration
        logger.info("wrote the checkpoint of iteration %d in %.2f s", iteration, self._clock() - self._saved_s)
        self._writer.submit(SavedCheckpoint(path=path, epoch=epoch, iteration=iteration, epoch_ended=epoch_ended))

    def _save_or_go_on(self, runner: Any, *, epoch_ended: bool) -> None:
        try:
            self.save(runner, epoch_ended=epoch_ended)
        except Transient as error:
            # Losing a checkpoint is better than failing the training: the next one may be saved.
            logger.warning("the checkpoint of epoch %d is lost: %s", runner.epoch + 1, error)


def is_within_epoch(runner: Any, batch_idx: int) -> bool:
    """Whether a checkpoint may be saved after this iteration.

    Not after the last one of an epoch, which the epoch's own checkpoint follows. Nor before the optimizer's next step
    if gradients are accumulated for it, since no checkpoint holds them.
    """
    return batch_idx + 1 < len(runner.train_dataloader) and bool(runner.optim_wrapper.should_update())


def named_tensors(state: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in nested state dicts, each with its place."""
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, Mapping | Sequence) and not isinstance(state, str | bytes):
        items = state.items() if isinstance(state, Mapping) else enumerate(state)
        for key, value in items:
            yield from named_tensors(value, f"{name}.{key}".lstrip("."))


def _plain(value: float | str) -> float | str:
    """The value as a built-in type: numpy's float64 is a float too, but its pickle calls functions."""
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)
