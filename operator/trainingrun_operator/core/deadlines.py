"""When the deadlines pass that the operator keeps: `start`, of an attempt, and `active`, of the run (`spec.deadlines`).

The third one, `progress`, is the worker's own to keep: only there is known that no step is made, where from here all is
silent that cannot be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Stage, Status


def active_deadline(run: Run) -> datetime | None:
    """When the run has been active for too long. None without such a deadline, and while its clock stands still."""
    status, limit = run.status, run.spec.deadlines.active
    if limit is None or status.start_time is None or status.paused_since is not None or run.spec.suspend:
        return None
    return status.start_time + limit + timedelta(seconds=status.paused_seconds or 0)


def pause(old: Status, phase: Phase, now: datetime) -> tuple[datetime | None, int | None]:
    """`pausedSince` and `pausedSeconds` of a run that has started, once it is in that phase."""
    if old.start_time is None:
        return None, None
    if phase.is_paused:
        return old.paused_since or now, old.paused_seconds
    if old.paused_since is None:
        return None, old.paused_seconds
    return None, (old.paused_seconds or 0) + max(0, round((now - old.paused_since).total_seconds()))


def start_deadline(run: Run, stage: Stage, job: JobView, pods: Sequence[PodView]) -> datetime | None:
    """When an attempt has waited for its worker for too long. None where it does not wait, or is not let start.

    The wait begins with the Job, and anew when the Job is resumed, and with each pod that takes another one's place.

    Args:
        job: the attempt's, which has not ended.
        pods: the Job's, those that are gone included.
    """
    limit = run.spec.deadlines.start
    if limit is None or run.spec.suspend or job.suspended or job.held or job.started_at is None:
        return None
    if job.managed_by and job.ready_pods:
        # They run where they are not seen.
        return None
    if _has_started(run, stage, pods):
        return None
    begins = [job.started_at, *([job.resumed_at] if job.resumed_at else []), *(pod.created_at for pod in pods)]
    return max([*begins, *(pod.finished_at for pod in pods if pod.finished_at)]) + limit


def _has_started(run: Run, stage: Stage, pods: Sequence[PodView]) -> bool:
    """Whether the attempt's worker runs, has run, or is about to be replaced.

    A training over several nodes needs all of them; of the shards of preprocess one may work before another has room.
    """
    newest = {pod.index: pod for pod in pods}.values()
    waiting = [pod for pod in newest if not (pod.running or pod.terminal or pod.gone or pod.deleting)]
    if not pods:
        # None is known of one that ran before the operator was started anew.
        return bool(run.status.disrupted_pods)
    if stage is Stage.PREPROCESS:
        return len(waiting) < len(newest)
    return not waiting
