"""What follows from a deadline of `spec.deadlines` that has passed: the attempt fails, or the run.

In both cases the Job is ended first, and the status tells of it then: of a run that is over nothing is looked after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from trainingrun_operator.core.attempt import attempt_is_over, job_of_attempt
from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.status_update import calculate_status
from trainingrun_operator.core.conditions.waiting import unreachable
from trainingrun_operator.core.deadlines import active_deadline, start_deadline
from trainingrun_operator.core.decisions.decision import plan_status
from trainingrun_operator.core.decisions.failed_attempt import attempt_failed
from trainingrun_operator.core.failures import outcome
from trainingrun_operator.core.failures.finished_attempt import Deadline, FinishedAttempt
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event, Observed, Plan
from trainingrun_operator.core.progress.state import format_duration
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Reason, Stage

# The Job controller needs a moment for a Job that has no pod, and the worker its grace period for its last checkpoint.
_LOOK_AGAIN = timedelta(minutes=1)


def out_of_time(observed: Observed, stage: Stage, attempt: int, now: datetime) -> Plan | None:
    """Of a run that was active for too long; None where it was not, and where its last Job has published a result."""
    run = observed.run
    due = active_deadline(run)
    if due is None or now < due:
        return None
    at_work = [job for job in observed.jobs if job.owner_uid == run.uid and not _has_no_more(job)]
    if at_work or any(not (pod.gone or pod.terminal) for pod in observed.pods):
        return _stop(observed, stage, at_work, now)
    if attempt_is_over(run.status, stage, attempt):
        return _fail(run, stage, now)
    job = observed.job(job_of_attempt(run, stage, attempt))
    if job is None or job.owner_uid != run.uid:
        return None
    pods = observed.pods_of(job)
    if outcome.succeeded_attempt(stage, job, pods) is not None:
        return None
    finished = outcome.failed_attempt(stage, job, pods)
    finished = replace(finished, deadline=Deadline.ACTIVE, deadline_message=_too_long(run))
    return attempt_failed(observed, finished, attempt, now)


def not_started(
    observed: Observed, job: JobView, summary: Summary, of: tuple[Stage, int], now: datetime
) -> Plan | None:
    """Of an attempt whose worker has not started in time; None where it has, or has time left.

    Args:
        job: the attempt's, which has not ended.
        summary: what it waits for.
        of: the attempt's stage and number.
    """
    (stage, attempt), run, pods = of, observed.run, observed.pods_of(job)
    due, limit = start_deadline(run, stage, job, pods), run.spec.deadlines.start
    if due is None or limit is None or now < due:
        return None
    pod = next((pod for pod in reversed(pods) if not (pod.running or pod.gone)), None)
    message = f"the worker did not start within spec.deadlines.start of {_in_words(limit)}: {summary.message}"
    ended = replace(FinishedAttempt.of(stage, job, pod), deadline=Deadline.START, deadline_message=message)
    return replace(attempt_failed(observed, ended, attempt, now), end=() if job.ending else (job.name,))


def in_time(plan: Plan, run: Run, now: datetime) -> Plan:
    """The plan, with its next visit no later than the end of the run's time."""
    after = run if plan.status is None else run.model_copy(update={"status": plan.status})
    due = active_deadline(after)
    if plan.requeue_after is None or due is None or due <= now:
        return plan
    return replace(plan, requeue_after=min(plan.requeue_after, due - now))


def _has_no_more(job: JobView) -> bool:
    """Whether a Job is at its end, or would be as soon as whoever suspended it resumed it."""
    return job.finished or (job.ending and job.suspended)


def _stop(observed: Observed, stage: Stage, at_work: Sequence[JobView], now: datetime) -> Plan:
    run = observed.run
    summary = Summary(
        phase=run.status.phase or Phase.PENDING,
        reason=Reason.DEADLINE_EXCEEDED,
        message=f"{_too_long(run)}; it fails once its pods have stopped",
        running=any(pod.running for pod in observed.pods),
    )
    stuck = next((pod for pod in observed.pods if pod.is_overdue(now)), None)
    if stuck is not None:
        summary = unreachable(stuck, summary.phase)
    status = calculate_status(run, summary, now, stage=stage)
    end = tuple(job.name for job in at_work if not job.ending)
    return plan_status(run, status, end=end, requeue_after=_LOOK_AGAIN)


def _fail(run: Run, stage: Stage, now: datetime) -> Plan:
    """Between two attempts there is none to fail: what the last one failed of stays in the status."""
    failure, message = run.status.last_failure, _too_long(run)
    if failure is not None:
        message += f"; its last failure: {failure.failure_class}: {failure.message}"
    summary = Summary(phase=Phase.FAILED, reason=Reason.DEADLINE_EXCEEDED, message=message)
    event = Event(reason=summary.reason, message=message, key="failed", warning=True)
    return plan_status(run, calculate_status(run, summary, now, stage=stage), events=(event,))


def _too_long(run: Run) -> str:
    limit = run.spec.deadlines.active or timedelta(0)
    return f"the run was active for longer than spec.deadlines.active of {_in_words(limit)}"


def _in_words(limit: timedelta) -> str:
    return format_duration(round(limit.total_seconds()))
