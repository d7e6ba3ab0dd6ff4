"""Stores the log of each attempt beside the checkpoints, so that an attempt on another machine has the whole history.

The key is `logs/<UTC start time>-<training id>-<attempt>.jsonl` in the checkpoints' storage. A Deliverer uploads this
attempt's log about once a minute at most, and immediately after an evaluation and at the end.
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
    """The key of an attempt's log in the checkpoints' storage; `started` is in UTC."""
    return f"{FOLDER}{started:%Y%m%dT%H%M%SZ}-{training_id}-{attempt}.jsonl"


def read_logs(storage: Storage, training_id: str, *, but: str = "") -> list[list[Record]]:
    """The logs of the training's attempts, except the one at the key `but`. Raises the storage's errors."""
    names = [(item.key, _NAME.fullmatch(item.key)) for item in storage.list_objects(FOLDER)]
    keys = [key for key, name in names if name and name["training"] == training_id and key != but]
    return [list(parse(storage.read_bytes(key))) for key in keys]


class MetricsArchive:
    """A `training.tracking.recorder.Sink` that stores the log of this attempt."""

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
        """`on_upload` makes the training's report: it is called from the deliverer's thread after each urgent upload,
        with the training's history. A WorkerError that it raises is treated like one of the storage; any other
        exception is logged.
        """
        self.patience_s = 10.0  # how long `close` may take
        self._storage = storage
        self._key = key
        self._training_id = training_id
        self._on_upload = on_upload
        self._records: list[Record] = []
        self._is_report_due = False
        self._earlier: list[list[Record]] | None = None  # logs of other attempts; None until they are read
        self._deliverer = Deliverer(
            self._take,
            self._upload,
            name="metrics",
            trouble="the log of the training could not be stored, the training goes on",
            min_interval_s=min_interval_s,
            backoff=backoff,
        )

    def write(self, record: Record) -> None:
        """Add a record; an evaluation or the end is uploaded at once, anything else with the next upload."""
        with self._deliverer.lock:
            self._records.append(record)
            urgent = record.kind in ("validation", "test", "end")
            self._is_report_due = self._is_report_due or urgent
            # While the storage fails, nothing is urgent: it keeps its backoff.
            self._deliverer.change(urgent=urgent and not self._deliverer.is_failing)

    def history(self) -> History:
        """The training's history so far. Earlier attempts are missing until their logs could be read."""
        with self._deliverer.lock:
            return merge([*(self._earlier or []), list(self._records)])

    def close(self) -> None:
        """Upload the rest, with retries for at most `patience_s` seconds."""
        self._deliverer.close(self.patience_s)

    def _take(self) -> tuple[bytes, bool]:
        """This attempt's log, and whether the report is due."""
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
                # At the end only a Transient error, which may be gone in seconds, is worth a retry.
                retry = isinstance(error, Transient) or not self._deliverer.is_closing
            raise DeliveryError(str(error), retry=retry) from error
        except Exception:  # a bug in the report, which a retry would not fix
            logger.warning("the training's report could not be made", exc_info=True)
