"""Which changes of a status are written at once, and which wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import START
from trainingrun_operator.core.damping import MESSAGES, SETTLING, patience
from trainingrun_operator.core.resource.status import Condition, ConditionStatus, ConditionType, Phase, Reason, Status

AT_ONCE = timedelta(0)


def status(phase: Phase, reason: str, message: str = "m", *, stalled: bool = False, node: str | None = None) -> Status:
    def condition(kind: ConditionType, holds: ConditionStatus, why: str) -> Condition:
        return Condition(type=kind, status=holds, reason=why, message=message, last_transition_time=START)

    truth = ConditionStatus.TRUE if stalled else ConditionStatus.FALSE
    conditions = (
        condition(ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason),
        condition(ConditionType.STALLED, truth, reason),
    )
    return Status(phase=phase, conditions=conditions, node=node)


ACCEPTED = status(Phase.PENDING, Reason.ACCEPTED)


@pytest.mark.parametrize(
    ("old", "new", "waits"),
    [
        (Status(), ACCEPTED, AT_ONCE),
        (ACCEPTED, status(Phase.PENDING, Reason.WAITING_FOR_POD), SETTLING),
        (ACCEPTED, status(Phase.PENDING, Reason.STARTING, node="node-1"), SETTLING),
        (status(Phase.RETRYING, "Transient"), status(Phase.PENDING, Reason.STARTING), SETTLING),
        (status(Phase.SUSPENDED, Reason.SUSPENDED), status(Phase.PENDING, Reason.WAITING_FOR_POD), AT_ONCE),
        (ACCEPTED, status(Phase.PREPROCESSING, Reason.PREPROCESSING), AT_ONCE),
        (ACCEPTED, status(Phase.QUEUED, Reason.WAITING_FOR_GPU), AT_ONCE),
        (ACCEPTED, status(Phase.QUEUED, Reason.WAITING_FOR_QUOTA), SETTLING),
        (status(Phase.TRAINING, Reason.TRAINING), status(Phase.QUEUED, Reason.WAITING_FOR_QUOTA), AT_ONCE),
        (ACCEPTED, status(Phase.PENDING, Reason.IMAGE_PULL_FAILED, stalled=True), AT_ONCE),
        (
            status(Phase.QUEUED, Reason.WAITING_FOR_GPU, "0/49 nodes"),
            status(Phase.QUEUED, Reason.WAITING_FOR_GPU, "0/50 nodes"),
            MESSAGES,
        ),
        (
            status(Phase.TRAINING, Reason.TRAINING, "in 1 of 2 pods"),
            status(Phase.TRAINING, Reason.TRAINING, "in 2 of 2 pods"),
            AT_ONCE,
        ),
        (status(Phase.TRAINING, Reason.TRAINING), status(Phase.SUCCEEDED, Reason.MODEL_PUBLISHED), AT_ONCE),
    ],
)
def test_what_passes_by_itself_and_mere_words_wait(old: Status, new: Status, waits: timedelta) -> None:
    assert patience(old, new) == waits
