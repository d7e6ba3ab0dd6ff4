"""Commits a checkpoint after every epoch, and whenever it is told to."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import logging
import os
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook

from training.checkpoints import Checkpoint, CheckpointStore
from training.errors import Transient
from training.metrics import MAIN_METRIC, detection_metrics
from training.report import Reporter
from training.storage import local_errors

logger = logging.getLogger(__name__)


class CheckpointHook(Hook):
    """Runs last at its points: schedulers have stepped, so what is saved is what the next iteration starts from."""

    priority = "LOWEST"

    def __init__(
        self,
        store: CheckpointStore,
        reporter: Reporter,
        *,
        classes: tuple[str, ...],
        training: Mapping[str, Any],
        last: Checkpoint | None = None,
        resumed_from: str | None = None,
    ) -> None:
        """`training` goes into every checkpoint's meta. `last` is the checkpoint of the store that this process
        continued, `resumed_from` the address of any, which may lie elsewhere.
        """
        self.last = last
        self._store = store
        self._reporter = reporter
        self._classes = classes
        self._training = dict(training)
        self._resumed_from = resumed_from
        self._points: list[dict[str, Any]] = [self._point(last)] if last else []

    @property
    def last_uri(self) -> str | None:
        """Where the last good state is."""
        return self._store.uri(self.last) if self.last else self._resumed_from

    def before_train(self, runner: Any) -> None:
        self._report()

    def after_train_epoch(self, runner: Any) -> None:
        try:
            self.save(runner, epoch_ended=True)
        except Transient as error:
            # The training is worth more than this checkpoint: the next one may get through.
            logger.warning("the checkpoint of epoch %d is lost: %s", runner.epoch + 1, error)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        # By now the loop has counted the epoch that the last checkpoint closed.
        if self.last is None or self.last.epoch != runner.epoch or self.last.iteration != runner.iter:
            return
        try:
            self.last = self._store.record_metrics(self.last, detection_metrics(metrics or {}, self._classes))
        except Transient as error:
            logger.warning("the metrics of epoch %d are not in its checkpoint's manifest: %s", runner.epoch, error)
            return
        self._points[-1:] = [self._point(self.last)]
        self._report()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        # The history of the losses is for smoothing log lines, and the only part that is neither tensors nor plain
        # data.
        information = checkpoint["message_hub"]["runtime_info"]
        plain = {name: _plain(value) for name, value in information.items() if isinstance(value, int | float | str)}
        checkpoint["message_hub"] = {
            "log_scalars": {},
            "runtime_info": plain,
            "resumed_keys": dict.fromkeys(plain, True),
        }

    def save(self, runner: Any, *, epoch_ended: bool) -> Checkpoint:
        """Commit the state after the running iteration, whose number mmengine has not counted yet where the epoch goes
        on.
        """
        epoch = runner.epoch + 1 if epoch_ended else runner.epoch
        iteration = runner.iter if epoch_ended else runner.iter + 1
        path = self._store.scratch / "saving.pth"
        meta = {"epoch": epoch, "iter": iteration, "training": self._training}
        try:
            with local_errors(path):
                runner.save_checkpoint(str(path.parent), path.name, meta=meta, by_epoch=epoch_ended)
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            self.last = self._store.commit(path, epoch=epoch, iteration=iteration, epoch_ended=epoch_ended)
        finally:
            path.unlink(missing_ok=True)
        logger.info("checkpoint %s, iteration %d", self.last_uri, iteration)
        self._points.append(self._point(self.last))
        self._report()
        return self.last

    def _point(self, checkpoint: Checkpoint) -> dict[str, Any]:
        point: dict[str, Any] = {
            "epoch": checkpoint.epoch,
            "iteration": checkpoint.iteration,
            "uri": self._store.uri(checkpoint),
            "sha256": checkpoint.sha256,
            "time": checkpoint.time,
        }
        if MAIN_METRIC in checkpoint.metrics:
            point["metric"] = f"{checkpoint.metrics[MAIN_METRIC]:.4f}"
        return point

    def _report(self) -> None:
        if self._points:
            self._reporter.report(urgent=True, resumePoints=list(self._points))


def _plain(value: float | str) -> float | str:
    """The same value as Python's own type: numpy's float64 is a float too, but pickles as code."""
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)
