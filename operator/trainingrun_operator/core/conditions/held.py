"""Where a run stands whose Job is suspended: by its own wish, by Kueue until there is quota, or by somebody else."""

from __future__ import annotations

from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.queueing.suspend import unfulfilled_suspend
from trainingrun_operator.core.queueing.workload import KueueView, WorkloadView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Reason, Stage

SUSPENDED = Summary(
    phase=Phase.SUSPENDED, reason=Reason.SUSPENDED, message="spec.suspend is true; set it to false to go on"
)
# How the name of Kueue's field manager begins.
_KUEUE = "kueue"


def held(run: Run, stage: Stage, job: JobView, kueue: KueueView) -> Summary:
    """The summary of a run whose Job is suspended."""
    workload = kueue.workload
    if workload is not None and not workload.active:
        return SUSPENDED if run.spec.suspend else _deactivated(job, workload)
    if workload is not None or job.queue:
        message = f"{_waits(stage, job, workload)}{unfulfilled_suspend(run, job, kueue)}"
        return Summary(phase=Phase.QUEUED, reason=Reason.WAITING_FOR_QUOTA, message=message)
    if run.spec.suspend:
        return SUSPENDED
    if job.suspended_by.startswith(_KUEUE):
        return Summary(
            phase=Phase.QUEUED, reason=Reason.WAITING_FOR_QUOTA, message=f"{stage} waits for Kueue to admit it"
        )
    who = job.suspended_by or "somebody else"
    message = f"Job {job.name} was suspended by {who}, not by this run; it goes on when its spec.suspend is false again"
    return Summary(phase=Phase.SUSPENDED, reason=Reason.SUSPENDED_BY_OTHERS, message=message)


def _deactivated(job: JobView, workload: WorkloadView) -> Summary:
    why = workload.evicted or workload.pending
    message = (
        f"Workload {workload.name} of Job {job.name} was deactivated, not by this run{f' ({why})' if why else ''}; "
        "it goes on when its spec.active is true again"
    )
    return Summary(phase=Phase.SUSPENDED, reason=Reason.SUSPENDED_BY_OTHERS, message=message)


def _waits(stage: Stage, job: JobView, workload: WorkloadView | None) -> str:
    queue = job.queue or (workload.queue if workload is not None else "")
    where = f"the Kueue queue {queue}" if queue else "Kueue"
    if workload is None:
        return f"{stage} waits for {where} to admit it"
    if workload.admitted:
        return f"{stage} is admitted by {where}; its Job follows"
    if workload.quota_reserved:
        return f"{stage} has its quota in {where} and waits for {workload.checks or 'its admission checks'}"
    # After an eviction Kueue may say the same in both places.
    words = dict.fromkeys(each for each in (workload.evicted, workload.pending) if each)
    return f"{stage} waits for quota in {where}{': ' if words else ''}{'; '.join(words)}"
