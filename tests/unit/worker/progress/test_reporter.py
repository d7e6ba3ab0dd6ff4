"""Progress: merged, never blocking, always newer; and a termination message that always fits."""

import itertools
import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from training.process.backoff import Backoff
from training.process.deliverer import DeliveryError
from training.progress.report import metric_list
from training.progress.reporter import ProgressReporter
from training.progress.termination import MAX_TERMINATION_BYTES, fit_termination, write_termination


class FakeSender:
    """Keeps what was sent; fails as often as it is told to, and waits while it is held."""

    min_interval_s = 0.05

    def __init__(self, *, failures: int = 0, error: Exception | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.tries = 0
        self.failures = failures
        self.error = error or DeliveryError("unreachable", retry=True)
        self.gate = threading.Event()
        self.gate.set()

    def send(self, report: dict[str, Any]) -> None:
        self.tries += 1
        self.gate.wait(5)
        if self.tries <= self.failures:
            raise self.error
        self.sent.append(report)


def reporter_of(sender: FakeSender, *, clock: Callable[[], float] = time.time) -> ProgressReporter:
    return ProgressReporter(sender, stage="train", attempt=3, backoff=Backoff(first_s=0.01, most_s=0.02), clock=clock)


def test_reports_in_between_are_merged_and_the_newest_wins() -> None:
    sender = FakeSender()
    with reporter_of(sender) as reporter:
        for iteration in range(1000):
            reporter.update(iteration=iteration)
        reporter.update(metrics=[])
    assert len(sender.sent) < 10
    assert sender.sent[-1]["iteration"] == 999
    assert sender.sent[-1]["stage"] == "train"
    assert sender.sent[-1]["attempt"] == 3
    assert sender.sent[-1]["final"] is True
    assert [report["final"] for report in sender.sent[:-1]] == [False] * (len(sender.sent) - 1)


def test_every_report_of_a_shard_says_which_one_it_is() -> None:
    sender = FakeSender()
    with reporter_of(sender) as reporter:
        reporter.update(shard={"index": 1, "of": 4})
        reporter.update(urgent=True, percent=50.0)
    assert [report["shard"] for report in sender.sent] == [{"index": 1, "of": 4}] * len(sender.sent)
    assert reporter.state()["shard"] == {"index": 1, "of": 4}


def test_the_sequence_grows_within_a_process_and_over_its_restart() -> None:
    sender = FakeSender()
    for process_start_s in (1000.0, 1001.0):
        # The clock of each process stands still.
        reporter = reporter_of(sender, clock=itertools.repeat(process_start_s).__next__)
        for iteration in range(3):
            reporter.update(urgent=True, iteration=iteration)
            time.sleep(0.02)
        reporter.close()
    sequences = [report["sequence"] for report in sender.sent]
    assert sequences == sorted(set(sequences))
    assert sequences[0] == 1_000_000


def test_an_unreachable_gateway_is_tried_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    sender = FakeSender(failures=4)
    with reporter_of(sender) as reporter:
        reporter.update(iteration=1)
        deadline = time.monotonic() + 5
        while not sender.sent and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sender.sent[0]["iteration"] == 1
    assert caplog.text.count("could not be delivered") == 1


@pytest.mark.parametrize(
    "error",
    [DeliveryError("HTTP 422", retry=False), RuntimeError("a fault of the sender")],
    ids=["a report that is refused", "a sender that breaks"],
)
def test_what_cannot_be_delivered_is_given_up_and_the_next_report_is_sent(error: Exception) -> None:
    sender = FakeSender(failures=1, error=error)
    with reporter_of(sender) as reporter:
        reporter.update(urgent=True, iteration=1)
        time.sleep(0.1)
        assert sender.tries == 1
        reporter.update(urgent=True, iteration=2)
    assert sender.sent[-1]["iteration"] == 2


def test_a_gateway_that_hangs_holds_up_neither_reports_nor_the_end() -> None:
    sender = FakeSender()
    sender.gate.clear()
    reporter = reporter_of(sender)
    started = time.monotonic()
    for iteration in range(100):
        reporter.update(urgent=True, iteration=iteration)
    reporter.close(timeout_s=0.2)
    assert time.monotonic() - started < 1.0
    assert reporter.state()["iteration"] == 99
    sender.gate.set()


def test_a_field_that_is_none_is_taken_back_and_numbers_are_finite() -> None:
    with reporter_of(FakeSender()) as reporter:
        reporter.update(etaSeconds=5, percent=1.0)
        reporter.update(etaSeconds=None, percent=math.nan, resumePoints=list(range(9)))
        state = reporter.state()
    assert "etaSeconds" not in state
    assert "percent" not in state
    assert state["resumePoints"] == [4, 5, 6, 7, 8]


def test_metrics_are_text_and_leave_out_what_is_no_number() -> None:
    assert metric_list({"bbox_mAP": 0.5123456, "loss": math.inf}) == [{"name": "bbox_mAP", "value": "0.5123"}]


@pytest.mark.parametrize(
    "message",
    [
        {"version": 1, "result": "failed", "exitCode": 65, "reason": "DataError", "message": "é" * 9000},
        {"version": 1, "result": "failed", "message": '"\n' * 4000, "progress": {"metrics": ["m" * 50] * 50}},
        {"version": 1, "result": "failed", "message": "\ud800 lone", "progress": {"percent": math.nan}},
        {"version": 1, "result": "succeeded", "model": {"uri": "s3://b/" + "k" * 9000, "metrics": ["x" * 40] * 90}},
        {"version": 1, "result": "failed", "message": "short", "unknown": ["x" * 50] * 500},
    ],
    ids=["long text", "text that grows in JSON", "no proper text or number", "long URI", "unknown fields"],
)
def test_a_termination_message_is_valid_json_that_fits(message: dict[str, Any]) -> None:
    encoded = fit_termination(message)
    assert len(encoded) <= MAX_TERMINATION_BYTES
    read = json.loads(encoded)
    assert read["result"] == message["result"]
    assert len(read.get("message", "s")) > 0


def test_a_termination_message_that_fits_is_left_as_it_is() -> None:
    message = {"version": 1, "stage": "train", "result": "failed", "message": "m", "progress": {"epoch": 3}}
    assert json.loads(fit_termination(message)) == message


def test_without_a_termination_log_nothing_is_written_and_a_broken_one_does_not_raise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_termination({"result": "failed"}, environ={})
    write_termination({"result": "failed"}, environ={"TRAINING_TERMINATION_LOG": "/proc/nowhere/log"})
    assert "could not be written" in caplog.text
