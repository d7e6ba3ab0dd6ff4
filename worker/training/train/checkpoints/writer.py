"""Commits checkpoints in a background thread, so that training waits only for the local write of a file.

At most one checkpoint is being committed and one waits: a third replaces the one that waits. If the store fails, the
newest checkpoint is retried until it is stored; training goes on meanwhile. When the training stops, `hurry` gives up
the one on its way for the one that waits. Whenever the committed checkpoints change, `on_change` is called.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from training.errors import Transient, WorkerError
from training.process.backoff import PATIENT, Backoff
from training.storage.base import GivenUp
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.store import CheckpointStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SavedCheckpoint:
    """A checkpoint as a local file, which the writer deletes when it is committed or dropped."""

    path: Path
    epoch: int  # complete epochs
    iteration: int  # complete iterations over all epochs
    epoch_ended: bool


class CheckpointWriter:
    """A thread that commits the checkpoints passed to `submit`. `last` is the newest committed checkpoint."""

    def __init__(
        self,
        store: CheckpointStore,
        *,
        last: Checkpoint | None = None,
        on_change: Callable[[Sequence[Checkpoint]], None] = lambda _: None,
        backoff: Backoff = PATIENT,
    ) -> None:
        """`last`: the checkpoint of the store that the training resumes from. `on_change` is called in the writer's
        thread, with the committed checkpoints that are kept, the newest last.
        """
        self.last = last
        self._store = store
        self._on_change = on_change
        self._backoff = backoff
        self._waiting: SavedCheckpoint | None = None
        self._metrics: dict[int, Mapping[str, float]] = {}  # of the newest validation, by iteration
        self._busy = False
        self._given_up = threading.Event()  # of the checkpoint that is on its way
        self._failure: WorkerError | None = None  # of the last try
        self._bug: BaseException | None = None
        self._wake = threading.Condition()
        threading.Thread(target=self._run, name="checkpoints", daemon=True).start()

    def submit(self, saved: SavedCheckpoint) -> None:
        """Have the file committed in the background. Raises the exception that ended the thread, if any."""
        with self._wake:
            self._raise_bug()
            dropped, self._waiting = self._waiting, saved
            self._wake.notify_all()
        if dropped is not None:
            logger.warning("the checkpoint of iteration %d is dropped for a newer one", dropped.iteration)
            dropped.path.unlink(missing_ok=True)

    def record_metrics(self, iteration: int, metrics: Mapping[str, float]) -> None:
        """Have a validation's metrics added to the manifest of that iteration's checkpoint, once it is committed."""
        with self._wake:
            self._metrics = {iteration: dict(metrics)}  # drops metrics that no checkpoint was committed for
            self._wake.notify_all()

    def hurry(self) -> None:
        """Give up the checkpoint that is on its way if a newer one waits, which is then committed at once: the training
        is about to end, and has no time for both.
        """
        with self._wake:
            if self._waiting is not None:
                self._given_up.set()
                self._wake.notify_all()

    def wait(self, timeout_s: float | None = None) -> Checkpoint | None:
        """Wait until everything is committed; return the newest checkpoint, or None if there is none.

        After `timeout_s` seconds, raises the error of the last try if it failed, else Transient.
        """
        with self._wake:
            if not self._wake.wait_for(lambda: self._bug or self._is_idle(), timeout_s):
                raise self._failure or Transient(f"The checkpoint was not stored within {timeout_s:g} s.")
            self._raise_bug()
            return self.last

    def _is_idle(self) -> bool:
        return not self._busy and self._waiting is None and self._unrecorded() is None

    def _unrecorded(self) -> tuple[Checkpoint, Mapping[str, float]] | None:
        """The newest checkpoint and its metrics, if they are known but not yet in its manifest."""
        metrics = self._metrics.get(self.last.iteration) if self.last else None
        return (self.last, metrics) if self.last and metrics is not None and self.last.metrics != metrics else None

    def _raise_bug(self) -> None:
        if self._bug is not None:
            raise self._bug

    def _run(self) -> None:
        try:
            while True:
                self._step()
        except BaseException as error:  # noqa: BLE001  raised again by `submit` and `wait`
            with self._wake:
                self._bug = error
                self._wake.notify_all()

    def _step(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._unrecorded())
            saved, self._waiting = self._waiting, None
            unrecorded = self._unrecorded()
            self._busy = True
            self._given_up = given_up = threading.Event()
        has_changed = False
        try:
            if saved is not None:
                has_changed = self._retry(
                    lambda: self._commit(saved, given_up), what=f"the checkpoint of iteration {saved.iteration}"
                )
                saved.path.unlink(missing_ok=True)
            elif unrecorded is not None:
                checkpoint, metrics = unrecorded
                has_changed = self._retry(
                    lambda: self._store.record_metrics(checkpoint, metrics),
                    what=f"the manifest of iteration {checkpoint.iteration} with its metrics",
                )
            kept = self._store.prune(self.last) if has_changed and self.last else []
            if kept:
                # Before `wait` returns, so that the final report names the right checkpoints.
                self._on_change(kept)
        finally:
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _commit(self, saved: SavedCheckpoint, given_up: threading.Event) -> Checkpoint:
        """Commit the checkpoint in a thread of its own, which is left behind if the checkpoint is given up: it may hang
        in a request, and ends with that.
        """
        task: Future[Checkpoint] = Future()

        def commit() -> None:
            try:
                committed = self._store.commit(
                    saved.path,
                    epoch=saved.epoch,
                    iteration=saved.iteration,
                    epoch_ended=saved.epoch_ended,
                    wanted=lambda: not given_up.is_set(),
                )
            except BaseException as error:  # noqa: BLE001  raised again by `result`
                task.set_exception(error)
            else:
                task.set_result(committed)
            with self._wake:
                self._wake.notify_all()

        threading.Thread(target=commit, name=f"checkpoint {saved.iteration}", daemon=True).start()
        with self._wake:
            self._wake.wait_for(lambda: task.done() or given_up.is_set())
        if not task.done():
            raise GivenUp("it was still on its way when the training stopped")
        return task.result()

    def _retry(self, write: Callable[[], Checkpoint], *, what: str) -> bool:
        """Retry `write`, whose result becomes `last`, until it succeeds or a newer checkpoint waits. Returns whether it
        succeeded.
        """
        failures = 0
        while True:
            try:
                written = write()
            except GivenUp as error:
                logger.warning("%s is given up for a newer one: %s", what, error)
                return False
            except WorkerError as error:
                failures += 1
                self._failure = error
                delay_s = self._backoff.delay_s(failures)
                logger.warning("%s is not stored yet, next try in %.0f s: %s", what, delay_s, error)
            else:
                with self._wake:
                    self.last, self._failure = written, None
                return True
            with self._wake:
                if self._wake.wait_for(lambda: self._waiting, delay_s):
                    logger.warning("%s is given up for a newer checkpoint", what)
                    return False
