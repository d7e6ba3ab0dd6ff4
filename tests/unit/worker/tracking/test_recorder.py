"""Who keeps the metrics of a training: none of them can fail it."""

import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.train.records import Kept, end, iteration, start, validation
from training.process.backoff import Backoff
from training.tracking.events import FinalTestRecord, Record, encode, parse
from training.tracking.mlflow import MetricValue, MlflowRun
from training.tracking.recorder import MetricsFile, Recorder
from training.tracking.tensorboard import TensorBoardEvents

AT_ONCE = Backoff(first_s=0.001, most_s=0.001)


class Broken(Kept):
    def write(self, record: Record) -> None:
        super().write(record)
        raise OSError("No space left on device")


def test_one_that_fails_is_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    broken, kept = Broken(), Kept()
    recorder = Recorder([broken, kept])
    for record in (start(0), iteration(1, 1, 1.0)):
        recorder.write(record)
    recorder.close()
    assert (len(broken.records), len(kept.records), kept.closed) == (1, 2, 1)
    assert [record.message for record in caplog.records] == [
        "Broken takes no more metrics: OSError: No space left on device"
    ]


def test_a_file_goes_on_after_a_line_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "metrics.jsonl"
    for record in (start(0), start(9, after=1)):
        log = MetricsFile(path)
        log.write(record)
        log.close()
        with path.open("ab") as file:
            file.write(b'{"kind": "iter')
    assert list(parse(path.read_bytes())) == [start(0), start(9, after=1)]
    assert path.read_bytes().startswith(encode(start(0)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_later_attempt_where_two_overlap(tmp_path: Path) -> None:
    first, second = TensorBoardEvents(tmp_path), TensorBoardEvents(tmp_path)
    for record in (start(0), *(iteration(n, n, 10.0 + n) for n in (1, 2, 3))):
        first.write(record)
    first.close()
    time.sleep(1.1)  # its files are told apart by the second
    for later in (start(9, after=2), iteration(10, 3, 20.0), validation(11, 1, 0.5), end(12, 4)):
        second.write(later)
    second.write(FinalTestRecord(time="1970-01-01T00:00:20Z", metrics={"bbox_mAP": 0.25}))
    second.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 11.0), (2, 12.0), (3, 20.0)]
    assert [(event.step, event.value) for event in events.Scalars("val/bbox_mAP")] == [(4, 0.5)]
    assert [(event.step, event.value) for event in events.Scalars("test/bbox_mAP")] == [(4, 0.25)]
    assert events.Scalars("train/learning_rate")


class Server:
    """Stands in for MLflow; fails while `error` is set."""

    def __init__(self) -> None:
        self.values: list[MetricValue] = []
        self.status = ""
        self.error: Exception | None = None
        self.tries = 0

    def _answer(self) -> None:
        self.tries += 1
        if self.error:
            raise self.error

    def open(self) -> None:
        self._answer()

    def log(self, values: list[MetricValue]) -> None:
        self._answer()
        self.values += values

    def end(self, status: str) -> None:
        self._answer()
        self.status = status


@pytest.mark.parametrize(
    ("result", "status"), [("succeeded", "FINISHED"), ("interrupted", "KILLED"), ("failed", "FAILED")]
)
def test_mlflow_gets_all_values_and_how_it_ended(result: str, status: str) -> None:
    server = Server()
    run = MlflowRun(server)
    records: list[Any] = [start(0), *(iteration(n, n, float(n)) for n in range(1, 121)), end(130, 120, result)]
    for record in records:
        run.write(record)
    run.close()
    losses = [(value, step) for name, value, _, step in server.values if name == "train/loss"]
    assert losses == [(float(n), n) for n in range(1, 121)]
    assert ("train/loss", 7.0, 7000, 7) in server.values
    assert server.status == status


def test_a_silent_mlflow_costs_one_warning_and_no_time_and_gets_everything_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server()
    server.error = ConnectionError("refused\nat great length")
    run = MlflowRun(server, backoff=AT_ONCE, interval_s=0.001)
    begun = time.monotonic()
    for record in (start(0), iteration(1, 1, 1.0)):
        run.write(record)
    while server.tries < 3:
        assert time.monotonic() < begun + 20
        time.sleep(0.01)
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["MLflow does not take the metrics, the training goes on: refused"]
    server.error = None
    while not server.values:
        assert time.monotonic() < begun + 20
        time.sleep(0.01)
    server.error = ConnectionError("gone again")
    run.write(iteration(2, 2, 1.0))
    time.sleep(0.05)
    begun = time.monotonic()
    run.close()
    assert time.monotonic() - begun < 3
