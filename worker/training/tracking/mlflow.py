"""Sends a training's records to the MLflow server that MLFLOW_TRACKING_URI names, as one MLflow run.

A Deliverer sends them in batches. A resumed training continues its MLflow run.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Protocol

from training.process.backoff import PATIENT, Backoff
from training.process.deliverer import Deliverer, DeliveryError
from training.tracking.events import EndRecord, Record, scalars, step

DEFAULT_EXPERIMENT = "table-detector"
TRAINING_TAG = "trainingrun.training_id"
MAX_WAITING = 5_000  # records kept while the server does not answer; the oldest are dropped first
BATCH = 50  # records
MAX_VALUES = 1000  # MLflow's limit for one request
INTERVAL_S = 5.0
MetricValue = tuple[str, float, int, int]  # name, value, milliseconds since 1970, iteration


class Tracking(Protocol):
    """An MLflow run on the server. Every method may raise any exception, and may be slow."""

    def open(self) -> None:
        """Finds the training's MLflow run, or creates it."""

    def log(self, values: list[MetricValue]) -> None:
        """Adds metric values to the run."""

    def end(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED."""


class MlflowTracking:
    """A run through MLflow's own client, whose import takes seconds."""

    def __init__(self, uri: str, *, training_id: str, name: str, parameters: Mapping[str, object]) -> None:
        # MLflow reads them when it is imported or sends a request. They let a dead server be noticed soon, and keep
        # MLflow from reporting usage to its makers.
        for setting, value in (
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ):
            os.environ.setdefault(setting, value)
        from mlflow import MlflowClient, entities  # noqa: PLC0415

        self._new_client: Callable[[], Any] = partial(MlflowClient, tracking_uri=uri)
        self._entities: Any = entities
        self._training_id = training_id
        self._name = name
        self._parameters = dict(parameters)
        self._run_id = ""

    def open(self) -> None:
        self._client = self._new_client()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        found = self._client.search_runs([experiment_id], f"tags.`{TRAINING_TAG}` = '{self._training_id}'")
        if found:
            self._run_id = found[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        run = self._client.create_run(experiment_id, tags={TRAINING_TAG: self._training_id}, run_name=self._name)
        self._run_id = run.info.run_id
        parameters = [self._entities.Param(key, str(value)) for key, value in self._parameters.items()]
        self._client.log_batch(self._run_id, params=parameters)

    def log(self, values: list[MetricValue]) -> None:
        for first in range(0, len(values), MAX_VALUES):
            metrics = [self._entities.Metric(*value) for value in values[first : first + MAX_VALUES]]
            self._client.log_batch(self._run_id, metrics=metrics)

    def end(self, status: str) -> None:
        self._client.set_terminated(self._run_id, status)


class MlflowRun:
    """A `training.tracking.recorder.Sink` that sends records to MLflow in the background."""

    def __init__(
        self, connect: Callable[[], Tracking], *, backoff: Backoff = PATIENT, interval_s: float = INTERVAL_S
    ) -> None:
        # Not in the thread: a data worker forked during an import would inherit a half-imported module.
        self._tracking = connect()
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
        except Exception as error:  # the client raises its own exceptions and those of its HTTP library
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
