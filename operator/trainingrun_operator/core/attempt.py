"""Which attempt a run is in, and the Jobs that belong to it."""

from __future__ import annotations

from trainingrun_operator.core.names import job_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage, Status


def job_of_attempt(run: Run, stage: Stage, attempt: int) -> str:
    """Name of an attempt's Job: the one that it was made with, also where it would be named otherwise today."""
    known = (job.name for job in run.status.jobs if (job.stage, job.attempt) == (stage, attempt))
    return next(known, job_name(run, stage, attempt))


def relevant_jobs(run: Run) -> tuple[str, ...]:
    """Names of the Jobs that the next decision rests on."""
    if not _is_under_way(run.status):
        return ()
    stage = run.status.current_stage
    attempt = run.status.attempts.of(stage)
    numbers = (attempt, attempt + 1) if attempt_is_over(run.status, stage, attempt) else (attempt,)
    return tuple(job_of_attempt(run, stage, number) for number in numbers if number > 0)


def awaited_job(run: Run) -> str | None:
    """Name of the Job that has been made by the status, and whose end is not in it: it is looked for live before it is
    called lost.
    """
    stage = run.status.current_stage
    attempt = run.status.attempts.of(stage)
    if not _is_under_way(run.status) or attempt_is_over(run.status, stage, attempt):
        return None
    return job_of_attempt(run, stage, attempt)


def _is_under_way(status: Status) -> bool:
    return status.start_time is not None and not status.is_terminal


def attempt_is_over(status: Status, stage: Stage, attempt: int) -> bool:
    """Whether another attempt is due: there was none yet, or this one's failure or replacement is in the status."""
    failure = status.last_failure
    return attempt in (0, status.attempts.replaced) or (
        failure is not None and (failure.stage, failure.attempt) == (stage, attempt)
    )
