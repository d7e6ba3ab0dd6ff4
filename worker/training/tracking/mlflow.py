"""Sends a training's records to the MLflow server that MLFLOW_TRACKING_URI names, as one MLflow run.

A Deliverer sends them in batches. A resumed training continues its MLflow run.
"""

from collections import deque
from datetime import datetime
from itertools import islice
from typing import Protocol

from training.process.backoff import PATIENT, Backoff
from training.process.deliverer import Deliverer, DeliveryError
from training.tracking.events import EndRecord, Record, scalars, step
from training.tracking.mlflow_server import MetricValue

MAX_WAITING = 5_000  # records kept while the server does not answer; the oldest are dropped first
BATCH = 50  # records
INTERVAL_S = 5.0


class Tracking(Protocol):
    """An MLflow run on the server. Every method may raise any exception, and may be slow."""

    def open(self) -> None:
        """Finds the training's MLflow run, or creates it."""

    def log(self, values: list[MetricValue]) -> None:
        """Adds metric values to the run."""

    def end(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED."""


class MlflowRun:
    """A `training.tracking.recorder.Sink` that sends records to MLflow in the background."""

    def __init__(self, tracking: Tracking, *, backoff: Backoff = PATIENT, interval_s: float = INTERVAL_S) -> None:
        self._tracking = tracking
        self._waiting: deque[Record] = deque(maxlen=MAX_WAITING)
        self._is_open = False
        self._step = 0
        self._deliverer = Deliverer(
            self._next_batch,
            self._deliver,
            name="mlflow",
            trouble="MLflow does not take the metrics, the training goes on",
            min_interval_s=interval_s,
            first_after_s=interval_s,
            backoff=backoff,
        )

    def write(self, record: Record) -> None:
        with self._deliverer.lock:
            self._waiting.append(record)
            self._deliverer.change()

    def close(self, timeout_s: float = 10.0) -> None:
        """Send the rest, for at most `timeout_s` seconds, or for 1 s if the last try failed."""
        self._deliverer.close(1.0 if self._deliverer.is_failing else timeout_s)

    def _next_batch(self) -> list[Record]:
        return list(islice(self._waiting, BATCH))

    def _deliver(self, batch: list[Record]) -> None:
        try:
            self._send(batch)
        except Exception as error:
            raise DeliveryError(_first_line(error), retry=True) from error
        with self._deliverer.lock:
            for record in batch:
                # A full queue may have dropped some of them meanwhile.
                if self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()
            if self._waiting:
                self._deliverer.change(urgent=True)

    def _send(self, batch: list[Record]) -> None:
        if not self._is_open:
            self._tracking.open()
            self._is_open = True
        values: list[MetricValue] = []
        for record in batch:
            number = step(record)
            self._step = self._step if number is None else number
            at_ms = int(datetime.fromisoformat(record.time).timestamp() * 1000)
            values += [(name, value, at_ms, self._step) for name, value in scalars(record)]
        if values:
            self._tracking.log(values)
        end = next((record for record in batch if isinstance(record, EndRecord)), None)
        if end is not None:
            self._tracking.end({"succeeded": "FINISHED", "interrupted": "KILLED"}.get(end.result, "FAILED"))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
