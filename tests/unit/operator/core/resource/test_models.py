"""What spec and status have in common, and how two statuses are compared."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta, timezone

import pytest

from trainingrun_operator.core.resource.base import format_time
from trainingrun_operator.core.resource.spec import PodTemplate
from trainingrun_operator.core.resource.status import Attempts, Phase, Progress, Stage, Status

PROGRESS = Progress(stage=Stage.TRAIN, attempt=1, sequence=1)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (Status(phase=Phase.PENDING), False),
        (Status(phase=Phase.TRAINING), True),
        (Status(phase=Phase.PENDING, attempts=Attempts(total=1)), True),
        (Status(phase=Phase.PENDING, progress=PROGRESS), False),
        (Status(phase=Phase.PENDING, resume_points=()), False),
    ],
)
def test_statuses_differ_by_what_the_operators_own_manager_writes(other: Status, *, differs: bool) -> None:
    status = Status(phase=Phase.PENDING)
    assert status.differs(other) is differs
    assert (status.without_progress() != other.without_progress()) is differs


def test_fields_may_be_left_out_of_the_comparison() -> None:
    assert not Status(phase=Phase.PENDING).differs(Status(phase=Phase.TRAINING), but=("phase",))


def test_what_never_changes_is_not_copied() -> None:
    template = PodTemplate()
    assert copy.deepcopy(template) is template


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_times_are_written_in_utc_and_whole_seconds(zone: timezone) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC).astimezone(zone)
    assert format_time(moment) == "2026-02-03T04:05:06Z"
