"""The logs of attempts beside the checkpoints: when they are stored, and what a store that fails does."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from tests.support.train.records import end, iteration, start, validation
from training.errors import Transient, WorkerError
from training.process.backoff import Backoff
from training.tracking.archive import MetricsArchive, log_key, read_logs
from training.tracking.events import encode, parse
from training.tracking.history import History

AT_ONCE = Backoff(first_s=0.001, most_s=0.001)
LONG_S = 20.0
FIRST = log_key(datetime(2026, 1, 1, tzinfo=UTC), "abc", 1)
KEY = log_key(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "abc", 2)


class FlakyStorage(MemoryStorage):
    """Fails while `error` is set; `wrote` is set by a write that arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.error: WorkerError | None = None
        self.wrote = threading.Event()

    def write_bytes(self, key: str, data: bytes) -> None:
        if self.error:
            raise self.error
        super().write_bytes(key, data)
        self.wrote.set()


def archive(storage: MemoryStorage, on_upload: Callable[[History], None] = lambda _: None) -> MetricsArchive:
    return MetricsArchive(storage, key=KEY, training_id="abc", on_upload=on_upload, backoff=AT_ONCE)


def test_a_log_is_named_by_time_training_and_attempt() -> None:
    assert KEY == "logs/20260102T030405Z-abc-2.jsonl"


def test_iterations_are_stored_once_a_minute_and_an_evaluation_at_once() -> None:
    storage = FlakyStorage()
    log = archive(storage)
    log.write(start(0))
    assert storage.wrote.wait(LONG_S)
    storage.wrote.clear()
    log.write(iteration(1, 1, 2.0))
    assert not storage.wrote.wait(0.05)
    log.write(validation(2, 1, 0.5))
    assert storage.wrote.wait(LONG_S)
    log.write(iteration(3, 2, 1.0))
    log.close()
    assert [record.kind for record in parse(storage.objects[KEY])] == ["start", "iteration", "validation", "iteration"]


def test_the_history_is_that_of_all_attempts_of_the_training_and_of_no_other() -> None:
    storage = MemoryStorage()
    storage.objects[FIRST] = encode(start(0)) + encode(iteration(1, 1, 5.0)) + b'{"half'
    storage.objects[log_key(datetime(2026, 1, 1, tzinfo=UTC), "def", 1)] = encode(iteration(9, 9, 9.0))
    storage.objects["logs/tensorboard/abc/events.out"] = b"\0\1"
    told: list[History] = []
    log = archive(storage, told.append)
    for record in (start(100, after=1), iteration(101, 2, 4.0), end(102, 2)):
        log.write(record)
    log.close()
    assert [record.loss for record in told[-1].iterations] == [5.0, 4.0]
    assert [attempt.result for attempt in told[-1].attempts] == ["lost", "interrupted"]
    assert [len(records) for records in read_logs(storage, "abc")] == [2, 3]


def test_a_store_that_fails_is_told_of_once_and_gets_everything_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    storage = FlakyStorage()
    storage.error = Transient("S3 answers 503.")
    told: list[History] = []
    log = archive(storage, told.append)
    log.write(start(0))
    log.write(validation(1, 1, 0.5))
    deadline = time.monotonic() + LONG_S
    while not caplog.records and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    storage.error = None
    assert storage.wrote.wait(LONG_S)
    log.close()
    assert len([record for record in caplog.records if "could not be stored" in record.message]) == 1
    assert len(list(parse(storage.objects[KEY]))) == 2
    assert told[-1].validations


def test_closing_does_not_wait_for_a_store_that_is_silent() -> None:
    release = threading.Event()

    class Silent(MemoryStorage):
        def write_bytes(self, key: str, data: bytes) -> None:
            release.wait(LONG_S)
            super().write_bytes(key, data)

    log = archive(Silent())
    log.patience_s = 0.1
    log.write(start(0))
    begun = time.monotonic()
    log.close()
    assert time.monotonic() - begun < 5
    release.set()


def test_a_report_that_cannot_be_made_does_not_end_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: History) -> None:
        raise KeyError("a bug")

    storage = MemoryStorage()
    log = archive(storage, fail)
    log.write(start(0))
    log.write(end(1, 1))
    log.close()
    assert "report could not be made" in caplog.text
    assert len(list(parse(storage.objects[KEY]))) == 2
