"""Which attempt a run is in, and the Jobs that belong to it."""

from __future__ import annotations

from trainingrun_operator.core.names import job_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage, Status


def relevant_jobs(run: Run) -> tuple[str, ...]:
    """Names of the Jobs that the next decision rests on."""
    status = run.status
    if status.is_terminal or status.start_time is None:
        return ()
    stage = status.current_stage
    attempt = status.attempts.of(stage)
    numbers = (attempt, attempt + 1) if attempt_is_over(status, stage, attempt) else (attempt,)
    return tuple(job_name(run, stage, number) for number in numbers if number > 0)


def awaited_job(run: Run) -> str | None:
    """Name of the Job that has been made by the status, and whose end is not in it: it is looked for live before it is
    called lost.
    """
    status = run.status
    if status.is_terminal or status.start_time is None:
        return None
    stage = status.current_stage
    attempt = status.attempts.of(stage)
    return None if attempt_is_over(status, stage, attempt) else job_name(run, stage, attempt)


def attempt_is_over(status: Status, stage: Stage, attempt: int) -> bool:
    """Whether another attempt is due: there was none yet, or the failure of this one is in the status already."""
    failure = status.last_failure
    return attempt == 0 or (failure is not None and (failure.stage, failure.attempt) == (stage, attempt))
