"""A Plan around the status that a decision leads to."""

from __future__ import annotations

from datetime import timedelta

from trainingrun_operator.core.events import events_of_base_weights
from trainingrun_operator.core.plan import Event, Plan, ProgressUpdate
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Status


def plan_status(
    run: Run,
    status: Status,
    *,
    suspend: tuple[tuple[str, bool], ...] = (),
    activate: tuple[tuple[str, bool], ...] = (),
    end: tuple[str, ...] = (),
    progress: ProgressUpdate | None = None,
    events: tuple[Event, ...] = (),
    requeue_after: timedelta | None = None,
) -> Plan:
    """Writes the status only where it differs."""
    differs = status.differs(run.status)
    return Plan(
        suspend=suspend,
        activate=activate,
        end=end,
        progress=progress,
        status=status if differs else None,
        # An Event tells of a change; without one there is nothing to tell.
        events=(*events_of_base_weights(run, status), *events) if differs else (),
        requeue_after=requeue_after,
    )
