"""A suspended Job that asks for other resources than the spec by now: another attempt takes its place.

Kubernetes holds the resources of a Job's pods fixed, also while it is suspended (KEP-5440 would let them change). The
run's own may change then, so a Job that has become outdated is not resumed: the status says first that its attempt is
over, then the Job is deleted, and the next attempt begins once it and its pods are gone. It counts as no failure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from trainingrun_operator.core.attempt import job_of_attempt
from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.jobs.pod.resources import resources_hash
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event, Observed, Plan
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Reason, Stage


def is_outdated(run: Run, stage: Stage, job: JobView) -> bool:
    """Whether a Job that may go on again would ask for what the spec no longer says.

    What somebody else has suspended is theirs. A Job that runs keeps what it has, whatever the next one gets.
    """
    ours = job.suspend_wanted or bool(job.queue)
    return job.suspended and ours and not run.spec.suspend and job.resources != resources_hash(run, stage)


def replace_attempt(run: Run, stage: Stage, job: JobView, attempt: int, now: datetime) -> Plan:
    """Says that the attempt is over."""
    message = (
        f"attempt {attempt + 1} takes the place of Job {job.name}: the resources of its pods were changed while the "
        "run was suspended"
    )
    summary = Summary(phase=Phase.PENDING, reason=Reason.STARTING, message=message)
    status = calculate_status(run, summary, now, stage=stage, attempts=run.status.attempts.with_replaced(attempt))
    event = Event(reason="JobReplaced", message=message, key=f"replaced-{job.name}")
    return plan_status(run, status, events=(event,), requeue_after=timedelta(0))


def replaced_jobs(observed: Observed, stage: Stage) -> tuple[JobView, ...]:
    """The Job that is in the way of the attempt after it, and to be deleted."""
    run, attempt = observed.run, observed.run.status.attempts.replaced
    job = observed.job(job_of_attempt(run, stage, attempt)) if attempt is not None else None
    return () if job is None or job.owner_uid != run.uid or job.finished or job.deleting else (job,)
