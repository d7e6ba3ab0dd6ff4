"""How long what is over stays: a run by its spec, its Jobs by what the operator was installed with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.resource.status import Phase

_FIELDS = {Phase.SUCCEEDED: "succeeded", Phase.FAILED: "failed"}
# Jobs that end together with their run's last status can wait: everything else goes first.
_JOBS_SETTLE = timedelta(minutes=1)


def deletion_time(body: Mapping[str, Any]) -> datetime | None:
    """When a run that is over is to be deleted; None where nobody asked for it, or where it is being deleted.

    Args:
        body: the TrainingRun as the API server gives it: of one that is over nothing else needs to be read.
    """
    status = body.get("status") or {}
    ttl = (body.get("spec") or {}).get("ttlSecondsAfterFinished") or {}
    seconds, ended_at = ttl.get(_FIELDS.get(status.get("phase", ""), "")), status.get("completionTime")
    if seconds is None or not ended_at or body["metadata"].get("deletionTimestamp"):
        return None
    try:
        return datetime.fromisoformat(ended_at) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def expiry_due(job: JobView, now: datetime) -> timedelta:
    """How long a finished Job of a run that is over can still wait to be given its time to live."""
    return max(timedelta(0), (job.finished_at or now) + _JOBS_SETTLE - now)


def seconds_to_live(job: JobView, now: datetime, kept: timedelta) -> int:
    """`ttlSecondsAfterFinished` of a Job that is to stay for so long from now on.

    Kubernetes counts it from the Job's own end, and the run may have gone on for days after that.
    """
    return math.ceil((now - (job.finished_at or now) + kept).total_seconds())
