"""When what is over is deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trainingrun_operator.core.lifetime.ttl import deletion_time, expiry_due, seconds_to_live
from trainingrun_operator.core.observed import JobView

END = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def body(phase: str, ttl: dict[str, int] | None, **metadata: str) -> dict[str, Any]:
    spec = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    status = {"phase": phase, "completionTime": "2026-01-01T12:00:00Z"}
    return {"metadata": {"name": "tables", **metadata}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("phase", "ttl", "after_s"),
    [
        ("Succeeded", {"succeeded": 60, "failed": 3600}, 60),
        ("Failed", {"succeeded": 60, "failed": 3600}, 3600),
        ("Succeeded", {"succeeded": 0}, 0),
        ("Failed", {"succeeded": 60}, None),
        ("Succeeded", {}, None),
        ("Succeeded", None, None),
        ("Training", {"succeeded": 60, "failed": 60}, None),
    ],
)
def test_a_run_is_deleted_by_how_it_ended(phase: str, ttl: dict[str, int] | None, after_s: int | None) -> None:
    expected = None if after_s is None else END + timedelta(seconds=after_s)
    assert deletion_time(body(phase, ttl)) == expected


def test_a_run_that_is_being_deleted_is_not_deleted_again() -> None:
    assert deletion_time(body("Failed", {"failed": 1}, deletionTimestamp="2026-01-01T13:00:00Z")) is None


def test_a_run_that_never_began_has_no_end_to_count_from() -> None:
    without_status = {"metadata": {"name": "tables"}, "spec": {"ttlSecondsAfterFinished": {"failed": 1}}}
    assert deletion_time(without_status) is None


def test_whoever_asks_for_thousands_of_years_gets_them() -> None:
    assert deletion_time(body("Failed", {"failed": 2**63})) is None


def a_job(finished_at: datetime | None) -> JobView:
    return JobView(name="j", namespace="n", uid="u", owner_uid="o", complete=True, finished_at=finished_at)


def test_a_job_lives_as_long_from_now_on_however_long_ago_it_ended() -> None:
    now = END + timedelta(hours=60)
    assert seconds_to_live(a_job(END), now, DAY) == (60 + 24) * 3600
    assert seconds_to_live(a_job(None), now, DAY) == 24 * 3600


def test_a_job_that_has_just_ended_can_wait() -> None:
    assert expiry_due(a_job(END), END) == timedelta(minutes=1)
    assert expiry_due(a_job(END), END + DAY) == timedelta(0)
