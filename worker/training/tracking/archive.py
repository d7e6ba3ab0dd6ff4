"""The logs of a training's attempts, beside its checkpoints: what a new machine needs to know what happened before.

`logs/<UTC start time>-<training id>-<attempt>.jsonl` below the checkpoints' storage. A thread uploads this attempt's
log, at most about once a minute, and at once after an evaluation and at the end. A store that does not answer is tried
again later; it never holds up the training.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime

from training.errors import Transient, WorkerError
from training.process.backoff import PATIENT, Backoff
from training.storage.base import Storage
from training.tracking.events import Record, encode, parse
from training.tracking.history import History, merge

logger = logging.getLogger(__name__)
FOLDER = "logs/"
MIN_INTERVAL_S = 60.0
_NAME = re.compile(r"logs/(?P<time>\d{8}T\d{6}Z)-(?P<training>[0-9a-f]+)-(?P<attempt>\d+)\.jsonl")


def log_key(started: datetime, training_id: str, attempt: int) -> str:
    """Where the log of an attempt is, relative to the checkpoints; `started` is in UTC."""
    return f"{FOLDER}{started:%Y%m%dT%H%M%SZ}-{training_id}-{attempt}.jsonl"


def read_logs(storage: Storage, training_id: str, *, but: str = "") -> list[list[Record]]:
    """The logs of the training's attempts, all `but` the one at that key. Raises what the storage raises."""
    names = [(item.key, _NAME.fullmatch(item.key)) for item in storage.list_objects(FOLDER)]
    keys = [key for key, name in names if name and name["training"] == training_id and key != but]
    return [list(parse(storage.read_bytes(key))) for key in keys]


class MetricsArchive:
    """Stores the log of this attempt; a sink of `training.tracking.recorder`."""

    def __init__(
        self,
        storage: Storage,
        *,
        key: str,
        training_id: str,
        on_upload: Callable[[History], None] = lambda _: None,
        backoff: Backoff = PATIENT,
        min_interval_s: float = MIN_INTERVAL_S,
    ) -> None:
        """`on_upload` is called from the thread after each urgent upload, with all that is known of the training. What
        it raises is treated as the storage's own errors are.
        """
        self.patience_s = 10.0  # of `close`
        self._storage = storage
        self._key = key
        self._training_id = training_id
        self._on_upload = on_upload
        self._backoff = backoff
        self._min_interval_s = min_interval_s
        self._records: list[Record] = []
        self._earlier: list[list[Record]] | None = None  # of other attempts, once they are read
        self._changed = False
        self._urgent = False
        self._close_by_s: float | None = None  # monotonic
        self._failures = 0
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Upload it with the next ones, at once where it is more than an iteration."""
        with self._wake:
            self._records.append(record)
            self._changed = True
            self._urgent = self._urgent or record.kind in ("validation", "test", "end")
            self._wake.notify()

    def history(self) -> History:
        """All that is known of the training; without its earlier attempts while they could not be read."""
        with self._wake:
            return merge([*(self._earlier or []), list(self._records)])

    def close(self) -> None:
        """Upload what is left, trying for at most `patience_s`."""
        with self._wake:
            self._close_by_s = time.monotonic() + self.patience_s
            self._wake.notify()
        self._thread.join(self.patience_s)

    def _run(self) -> None:
        next_try_s = 0.0
        while True:
            with self._wake:
                while not self._is_due(next_try_s):
                    if self._is_over():
                        return
                    self._wake.wait(self._wait_s(next_try_s))
                self._changed, urgent, self._urgent = False, self._urgent, False
                content = b"".join(map(encode, self._records))
            next_try_s = time.monotonic() + self._try(content, urgent=urgent)

    def _is_due(self, next_try_s: float) -> bool:
        hurry = self._close_by_s is not None or (self._urgent and not self._failures)
        return self._changed and not self._is_over() and (hurry or time.monotonic() >= next_try_s)

    def _is_over(self) -> bool:
        return self._close_by_s is not None and (not self._changed or time.monotonic() >= self._close_by_s)

    def _wait_s(self, next_try_s: float) -> float | None:
        return max(0.01, next_try_s - time.monotonic()) if self._changed else None

    def _try(self, content: bytes, *, urgent: bool) -> float:
        """Returns the seconds to wait before the next one."""
        try:
            if self._earlier is None:
                self._earlier = read_logs(self._storage, self._training_id, but=self._key)
            self._storage.write_bytes(self._key, content)
            if urgent:
                self._on_upload(self.history())
        except WorkerError as error:
            return self._failed(error, urgent=urgent)
        except Exception:  # nothing that is only looked at ends the thread
            logger.warning("the training's report could not be made", exc_info=True)
        self._failures = 0
        return self._min_interval_s

    def _failed(self, error: WorkerError, *, urgent: bool) -> float:
        with self._wake:
            self._failures += 1
            closing = self._close_by_s is not None
            # Only what may heal in seconds is worth their wait at the end.
            self._changed = self._changed or not closing or isinstance(error, Transient)
            self._urgent = self._urgent or urgent
        if self._failures == 1:
            logger.warning("the log of the training could not be stored, the training goes on: %s", error)
        if closing:
            time.sleep(0.5)  # little time is left
        return self._backoff.delay_s(self._failures)
