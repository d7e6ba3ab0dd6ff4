"""Which changes of a status need not be written at once: what passes by itself within seconds, and mere words."""

from __future__ import annotations

from datetime import timedelta

from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase, Reason, Status

# As often as a waiting run's message may change: the scheduler counts nodes in it.
MESSAGES = timedelta(minutes=1)
# Most pods start within that time, and then their running is what there is to say.
SETTLING = timedelta(seconds=5)
_AT_ONCE = timedelta(0)
# Kueue, too, has admitted a Job by then, or has said why not.
_PASSING = (Reason.STARTING, Reason.WAITING_FOR_POD, Reason.WAITING_FOR_QUOTA)


def patience(old: Status, new: Status) -> timedelta:
    """How long a change must have lasted before it is written."""
    stalled = new.condition(ConditionType.STALLED)
    summary = new.condition(ConditionType.SUCCEEDED)
    if new.phase not in (Phase.PENDING, Phase.QUEUED) or stalled is None or summary is None:
        return _AT_ONCE
    if _without_messages(old) == _without_messages(new) and not new.differs(old, but=("conditions", "usage")):
        return MESSAGES
    begins = old.phase in (Phase.PENDING, Phase.QUEUED, Phase.RETRYING) and stalled.status is not ConditionStatus.TRUE
    return SETTLING if begins and summary.reason in _PASSING else _AT_ONCE


def _without_messages(status: Status) -> list[tuple[object, ...]]:
    return [
        (each.type, each.status, each.reason, each.last_transition_time, each.observed_generation)
        for each in status.conditions
    ]
