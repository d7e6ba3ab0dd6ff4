"""How a run's `suspend` reaches its Job: by the Job's own `suspend`, or by the `active` of its Kueue Workload.

Only a change of the run's own wish is written, and what was last written is kept beside it: whatever somebody else
suspends, stops or resumes is theirs.
"""

from __future__ import annotations

from dataclasses import replace

from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.queueing.workload import KueueView, WorkloadView
from trainingrun_operator.core.resource.run import Run


def with_the_runs_wish(run: Run, job: JobView, kueue: KueueView) -> tuple[JobView, WorkloadView | None]:
    """The Job and its Workload as they are to be; at most one of them differs from what is observed.

    A Job in a queue is Kueue's to suspend: resuming it would admit it past the quota. Without its Workload in sight
    nothing can be written.
    """
    wish, workload = run.spec.suspend, kueue.workload
    if workload is not None:
        if workload.suspend_wanted != wish:
            workload = replace(workload, suspend_wanted=wish, active=not wish)
    elif not job.queue and job.suspend_wanted != wish:
        job = replace(job, suspend_wanted=wish, suspended=wish)
    return job, workload


def unfulfilled_suspend(run: Run, job: JobView, kueue: KueueView) -> str:
    """What keeps a run's `suspend: true` from holding, as the end of a message; empty where nothing does."""
    if not run.spec.suspend:
        return ""
    workload = kueue.workload
    if workload is not None and workload.active:
        return f"; spec.suspend is true, but somebody else has made its Workload {workload.name} active"
    if workload is not None:
        return "; Kueue stops it, since spec.suspend is true"
    if job.queue and kueue.followed:
        return "; spec.suspend is true and waits for Kueue to make the Workload of this Job"
    if job.queue:
        return (
            "; spec.suspend holds from the next attempt on: this Job is Kueue's to suspend, and the operator may not "
            "write Workloads (the chart's kueue.enabled)"
        )
    return f"; spec.suspend is true, but {job.suspended_by or 'somebody else'} has resumed the Job"
