"""Turns a decision into the status that people and programs read: phase, conditions, strings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import (
    Attempts,
    Condition,
    ConditionType,
    LastFailure,
    Phase,
    PublishedDataset,
    PublishedModel,
    Reason,
    Stage,
    Status,
    Truth,
)

REPORTS_STOPPED_AFTER = timedelta(minutes=5)
# The whole status stays under 16 KiB whatever a worker or a scheduler says.
_CONDITION_BYTES = 384
FAILURE_BYTES = 768


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What reconcile decided; `reason` and `message` explain the phase."""

    phase: Phase
    reason: str
    message: str
    stage: Stage
    image: str | None
    start_time: datetime | None
    attempts: Attempts
    last_failure: LastFailure | None = None
    next_retry_time: datetime | None = None
    dataset: PublishedDataset | None = None
    model: PublishedModel | None = None
    node: str | None = None
    job: str | None = None
    # The run can't go on without somebody's help.
    stalled: bool = False
    # A worker runs, so reports are to be expected.
    running: bool = False


def clip(text: str, limit_bytes: int) -> str:
    """Shortens to a number of bytes of UTF-8, and says so."""
    raw = text.encode()
    if len(raw) <= limit_bytes:
        return text
    return raw[: limit_bytes - 3].decode(errors="ignore") + "…"


def render(run: Run, picture: Picture, now: datetime) -> Status:
    """The status of that decision. The progress manager's fields are carried along, never changed."""
    now = now.replace(microsecond=0)
    old = run.status
    terminal = picture.phase in (Phase.SUCCEEDED, Phase.FAILED)
    failure = picture.last_failure
    if failure:
        failure = failure.model_copy(update={"message": clip(failure.message, FAILURE_BYTES)})
    gpu = run.spec.gpu.resource_name
    return Status(
        observed_generation=run.generation,
        phase=picture.phase,
        stage=picture.stage,
        image=picture.image,
        gpu=f"{run.spec.training.gpus_per_node} x {gpu}",
        node=picture.node,
        job=picture.job,
        conditions=tuple(_condition(run, kind, aspect, now) for kind, aspect in _conditions(run, picture, now).items()),
        start_time=picture.start_time,
        completion_time=(old.completion_time or now) if terminal else None,
        attempts=picture.attempts,
        last_failure=failure,
        next_retry_time=picture.next_retry_time,
        dataset=picture.dataset,
        model=picture.model,
        progress=old.progress,
        resume_points=old.resume_points,
        best_checkpoint=old.best_checkpoint,
    )


_Aspect = tuple[Truth, str, str]


def _conditions(run: Run, picture: Picture, now: datetime) -> dict[ConditionType, _Aspect]:
    reason, message = picture.reason, picture.message
    truth = {Phase.SUCCEEDED: Truth.TRUE, Phase.FAILED: Truth.FALSE}.get(picture.phase, Truth.UNKNOWN)
    suspended = picture.phase is Phase.SUSPENDED
    ended = truth is not Truth.UNKNOWN
    return {
        ConditionType.SUCCEEDED: (truth, reason, message),
        ConditionType.DATASET_READY: _dataset_ready(picture),
        ConditionType.TRAINED: _trained(picture),
        ConditionType.SUSPENDED: (
            (Truth.TRUE, Reason.SUSPENDED, message)
            if suspended
            else (Truth.FALSE, Reason.NOT_SUSPENDED, "the run is not suspended")
        ),
        ConditionType.STALLED: (
            (Truth.TRUE, reason, message)
            if picture.stalled
            else (Truth.FALSE, Reason.FINISHED if ended else Reason.PROGRESSING, "nobody's help is needed")
        ),
        ConditionType.REPORTING: _reporting(run, picture, now),
        ConditionType.COMPLETE: (
            (Truth.TRUE, reason, message) if truth is Truth.TRUE else (Truth.FALSE, reason, "the run has not succeeded")
        ),
        ConditionType.FAILED: (
            (Truth.TRUE, reason, message) if truth is Truth.FALSE else (Truth.FALSE, reason, "the run has not failed")
        ),
    }


def _dataset_ready(picture: Picture) -> _Aspect:
    dataset = picture.dataset
    if dataset is None:
        return Truth.FALSE, Reason.NOT_YET, "preprocess has not published a dataset"
    images = dataset.images
    counts = f"{images.train} pages to train on, {images.val} to validate on, {images.test} to test on"
    how = " (it was there already)" if dataset.cache_hit else ""
    return Truth.TRUE, Reason.DATASET_PUBLISHED, f"{counts}{how}: {dataset.manifest}"


def _trained(picture: Picture) -> _Aspect:
    if picture.model is None:
        return Truth.FALSE, Reason.NOT_YET, "no model has been published"
    return Truth.TRUE, Reason.MODEL_PUBLISHED, f"the model is at {picture.model.uri}"


def _reporting(run: Run, picture: Picture, now: datetime) -> _Aspect:
    if picture.phase in (Phase.SUCCEEDED, Phase.FAILED):
        return Truth.FALSE, Reason.FINISHED, "the run is over"
    if not picture.running:
        return Truth.UNKNOWN, Reason.NOT_RUNNING, "no worker runs"
    progress = run.status.progress
    attempt = picture.attempts.of(picture.stage)
    of_this = progress is not None and (progress.stage, progress.attempt) == (picture.stage, attempt)
    if progress is None or not of_this or progress.last_update_time is None:
        return Truth.UNKNOWN, Reason.NO_REPORT_YET, "the worker has not reported yet"
    if now - progress.last_update_time > REPORTS_STOPPED_AFTER:
        minutes = int(REPORTS_STOPPED_AFTER.total_seconds() // 60)
        words = f"no report for more than {minutes} minutes; the worker goes on anyway"
        return Truth.FALSE, Reason.REPORTS_STOPPED, words
    return Truth.TRUE, Reason.REPORTS_ARRIVE, "the worker reports its progress"


def _condition(run: Run, kind: ConditionType, aspect: _Aspect, now: datetime) -> Condition:
    truth, reason, message = aspect
    old = run.status.condition(kind)
    since = old.last_transition_time if old is not None and old.status == truth else now
    return Condition(
        type=kind,
        status=truth,
        reason=str(reason),
        message=clip(message, _CONDITION_BYTES),
        last_transition_time=since,
        observed_generation=run.generation,
    )
