"""The status that a decision leads to: the one place where a Status is made."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from trainingrun_operator.core.conditions.conditions import Summary, build_conditions, clip
from trainingrun_operator.core.deadlines import pause
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import (
    MAX_JOBS,
    Attempts,
    JobRecord,
    LastFailure,
    Phase,
    PublishedDataset,
    PublishedModel,
    Stage,
    Status,
)

FAILURE_BYTES = 384
# The result of a Job that did what it was made for; of any other it is a failure class.
SUCCEEDED = "Succeeded"
T = TypeVar("T")


def calculate_status(
    run: Run,
    summary: Summary,
    now: datetime,
    *,
    stage: Stage,
    image: str | None = None,
    preprocess_image: str | None = None,
    attempts: Attempts | None = None,
    new_job: JobRecord | None = None,
    queue: str | None = None,
    failure: LastFailure | None = None,
    next_retry_time: datetime | None = None,
    excluded_nodes: tuple[str, ...] | None = None,
    disrupted_pods: tuple[str, ...] | None = None,
    memory: str | None = None,
    memory_asked: str | None = None,
    last_report: Report | None = None,
    dataset: PublishedDataset | None = None,
    model: PublishedModel | None = None,
    report: str | None = None,
) -> Status:
    """The run's next status. What the decision is silent about stays as it was, save for what is cleared here.

    Args:
        stage: the stage that the run is in after the decision.
        image: the workers' image, given when the run starts.
        preprocess_image: the image of preprocess, given when the run starts.
        attempts: the counters, where one changes.
        new_job: the Job of an attempt that begins.
        queue: the Kueue queue of the Job that is looked after, empty where it is in none.
        failure: what an attempt failed of.
        next_retry_time: when the attempt after that failure begins.
        excluded_nodes: the nodes that the next pods avoid, where that changes.
        disrupted_pods: those of the Job whose disruption is counted, where that changes.
        memory: what the stage's next pods ask for, where that changes.
        memory_asked: what the spec said when a pod was killed for want of memory, where that changes.
        last_report: of a pod that has ended, which the status may not have yet.
        dataset: given when preprocess is done.
        model: given when training is done.
        report: the training's page for people, given with the model or with the failure.
    """
    old = run.status
    now = now.replace(microsecond=0)
    attempts = attempts or old.attempts
    ended = summary.phase.is_terminal
    ends_preprocess = stage is not Stage.PREPROCESS and old.current_stage is Stage.PREPROCESS
    succeeded = Stage.TRAIN if summary.phase is Phase.SUCCEEDED else None
    done = Stage.PREPROCESS if ends_preprocess else succeeded
    paused_since, paused_seconds = pause(old, summary.phase, now)
    heard = [each for each in (last_report, old.progress) if each is not None]
    device = next((each.device for each in heard if each.device), None)
    # What training asks for, until it says what it runs on.
    gpu = old.gpu or f"{run.spec.training.gpus_per_node} x {run.spec.gpu}"
    return Status(
        observed_generation=run.generation,
        phase=summary.phase,
        stage=stage,
        image=old.image or image,
        preprocess_image=old.preprocess_image or (preprocess_image if preprocess_image != image else None),
        gpu=str(device) if device else gpu,
        # A new attempt has no node yet, and preprocess, once done, leaves its own to nobody.
        node=None if new_job or ends_preprocess else summary.node or old.node,
        queue=None if ends_preprocess else _or_old(queue, old.queue) or None,
        conditions=build_conditions(
            run,
            summary,
            now,
            stage=stage,
            attempts=attempts,
            dataset=dataset or old.dataset,
            base_weights=next((each.base_weights for each in heard if each.base_weights), None),
            model=model or old.model,
        ),
        start_time=old.start_time or (now if image else None),
        paused_since=paused_since,
        paused_seconds=paused_seconds,
        completion_time=now if ended else None,
        attempts=attempts,
        # Counted where the status is written.
        usage=old.usage,
        jobs=_jobs(old, new_job, failure, done),
        # The last failure stays, also when a later attempt succeeds.
        last_failure=_clipped(failure) if failure else old.last_failure,
        # Only a run that waits for its next attempt has one.
        next_retry_time=None if new_job or ended else next_retry_time or old.next_retry_time,
        excluded_nodes=_or_old(excluded_nodes, old.excluded_nodes),
        # Of one Job, and of one stage.
        disrupted_pods=() if new_job or ends_preprocess else _or_old(disrupted_pods, old.disrupted_pods),
        memory=None if ends_preprocess else memory or old.memory,
        memory_asked=None if ends_preprocess else _or_old(memory_asked, old.memory_asked),
        dataset=dataset or old.dataset,
        model=model or old.model,
        report=report or old.report,
        # The progress manager's fields: carried along, and never applied by this one.
        progress=old.progress,
        resume_points=old.resume_points,
        best_checkpoint=old.best_checkpoint,
    )


def _jobs(
    old: Status, new_job: JobRecord | None, failure: LastFailure | None, done: Stage | None
) -> tuple[JobRecord, ...]:
    ended, result = None, ""
    if failure is not None:
        ended, result = (failure.stage, failure.attempt), failure.failure_class
    elif done is not None:
        ended, result = (done, old.attempts.of(done)), SUCCEEDED
    jobs = (job.model_copy(update={"result": result}) if (job.stage, job.attempt) == ended else job for job in old.jobs)
    return (*jobs, *([new_job] if new_job else []))[-MAX_JOBS:]


def _or_old(new: T | None, old: T) -> T:
    """What a decision says, empty or not, or else what was known."""
    return old if new is None else new


def _clipped(failure: LastFailure) -> LastFailure:
    return failure.model_copy(update={"message": clip(failure.message, FAILURE_BYTES)})
