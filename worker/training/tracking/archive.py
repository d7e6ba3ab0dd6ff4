"""The logs of a training's attempts, beside its checkpoints: what a new machine needs to know what happened before.

`logs/<UTC start time>-<training id>-<attempt>.jsonl` below the checkpoints' storage. A Deliverer uploads this
attempt's log, at most about once a minute, and at once after an evaluation and at the end.
"""

import logging
import re
from collections.abc import Callable
from datetime import datetime

from training.errors import Transient, WorkerError
from training.process.backoff import PATIENT, Backoff
from training.process.deliverer import Deliverer, DeliveryError
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
        """`on_upload` is called from the deliverer's thread after each urgent upload, with all that is known of the
        training. What it raises is treated as the storage's own errors are.
        """
        self.patience_s = 10.0  # of `close`
        self._storage = storage
        self._key = key
        self._training_id = training_id
        self._on_upload = on_upload
        self._records: list[Record] = []
        self._is_report_due = False
        self._earlier: list[list[Record]] | None = None  # of other attempts, once they are read
        self._deliverer = Deliverer(
            self._take,
            self._upload,
            name="metrics",
            trouble="the log of the training could not be stored, the training goes on",
            min_interval_s=min_interval_s,
            backoff=backoff,
        )

    def write(self, record: Record) -> None:
        """Upload it with the next ones, at once where it is more than an iteration."""
        with self._deliverer.lock:
            self._records.append(record)
            urgent = record.kind in ("validation", "test", "end")
            self._is_report_due = self._is_report_due or urgent
            # A store that fails is not asked more often for it.
            self._deliverer.change(urgent=urgent and not self._deliverer.is_failing)

    def history(self) -> History:
        """All that is known of the training; without its earlier attempts while they could not be read."""
        with self._deliverer.lock:
            return merge([*(self._earlier or []), list(self._records)])

    def close(self) -> None:
        """Upload what is left, trying for at most `patience_s`."""
        self._deliverer.close(self.patience_s)

    def _take(self) -> tuple[bytes, bool]:
        """The log, and whether the report is due."""
        is_report_due, self._is_report_due = self._is_report_due, False
        return b"".join(map(encode, self._records)), is_report_due

    def _upload(self, taken: tuple[bytes, bool]) -> None:
        content, is_report_due = taken
        try:
            if self._earlier is None:
                self._earlier = read_logs(self._storage, self._training_id, but=self._key)
            self._storage.write_bytes(self._key, content)
            if is_report_due:
                self._on_upload(self.history())
        except WorkerError as error:
            with self._deliverer.lock:
                self._is_report_due = self._is_report_due or is_report_due
                # Only what may heal in seconds is worth their wait at the end.
                retry = isinstance(error, Transient) or not self._deliverer.is_closing
            raise DeliveryError(str(error), retry=retry) from error
        except Exception:  # nothing that is only looked at is tried again for it
            logger.warning("the training's report could not be made", exc_info=True)
