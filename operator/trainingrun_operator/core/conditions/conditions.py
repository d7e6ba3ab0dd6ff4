"""The conditions of a run, from the summary of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import (
    Attempts,
    BaseWeights,
    Condition,
    ConditionStatus,
    ConditionType,
    Phase,
    PublishedDataset,
    PublishedModel,
    Reason,
    Stage,
)

REPORTS_STOPPED_AFTER = timedelta(minutes=5)
# The whole status stays under 16 KiB however long a worker's or a scheduler's message is.
MESSAGE_BYTES = 376

_State = tuple[ConditionStatus, str, str]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Where a run stands: its phase, and the reason and message that explain it."""

    phase: Phase
    reason: str
    message: str
    # Where the worker runs, as far as that is observed.
    node: str | None = None
    # The run can't go on without somebody's help.
    stalled: bool = False
    # A worker runs, so reports are to be expected.
    running: bool = False
    # The pod that it is about, where it is about one: each has its own Events.
    pod_uid: str = ""


def clip(text: str, limit_bytes: int) -> str:
    """Shortens to a number of bytes of UTF-8; an ellipsis shows it."""
    raw = text.encode()
    if len(raw) <= limit_bytes:
        return text
    return raw[: limit_bytes - 3].decode(errors="ignore") + "…"


def build_conditions(
    run: Run,
    summary: Summary,
    now: datetime,
    *,
    stage: Stage,
    attempts: Attempts,
    dataset: PublishedDataset | None,
    base_weights: BaseWeights | None,
    model: PublishedModel | None,
) -> tuple[Condition, ...]:
    """All conditions of a run. One whose status stays keeps its transition time."""
    states = {
        ConditionType.SUCCEEDED: _succeeded(summary),
        ConditionType.DATASET_READY: _dataset_ready(run, summary, dataset),
        ConditionType.BASE_WEIGHTS: _base_weights(run, base_weights),
        ConditionType.TRAINED: _trained(summary, model),
        ConditionType.SUSPENDED: _suspended(summary),
        ConditionType.STALLED: _stalled(summary),
        ConditionType.REPORTING: _reporting(run, summary, stage, attempts.of(stage), now),
        ConditionType.COMPLETE: _mirror(summary, Phase.SUCCEEDED, "the run has not succeeded"),
        ConditionType.FAILED: _mirror(summary, Phase.FAILED, "the run has not failed"),
    }
    known = {condition.type: condition for condition in run.status.conditions}
    return tuple(_condition(run, kind, state, known.get(kind), now) for kind, state in states.items())


def _succeeded(summary: Summary) -> _State:
    statuses = {Phase.SUCCEEDED: ConditionStatus.TRUE, Phase.FAILED: ConditionStatus.FALSE}
    return statuses.get(summary.phase, ConditionStatus.UNKNOWN), summary.reason, summary.message


def _dataset_ready(run: Run, summary: Summary, dataset: PublishedDataset | None) -> _State:
    """Nobody says of a dataset that was made elsewhere what is in it, neither then nor later."""
    known = run.status.condition(ConditionType.DATASET_READY)
    if dataset is None and known is not None and known.reason == Reason.COMPLETED_ELSEWHERE:
        return known.status, known.reason, known.message
    if dataset is None and summary.reason == Reason.COMPLETED_ELSEWHERE:
        return ConditionStatus.UNKNOWN, summary.reason, summary.message
    if dataset is None:
        return ConditionStatus.FALSE, Reason.NOT_YET, "preprocess has not published a dataset"
    images = dataset.images
    counts = f"{images.train} pages to train on, {images.val} to validate on, {images.test} to test on"
    how = " (it was there already)" if dataset.cache_hit else ""
    return ConditionStatus.TRUE, Reason.DATASET_PUBLISHED, f"{counts}{how}: {dataset.manifest}"


def _base_weights(run: Run, said: BaseWeights | None) -> _State:
    """What a worker once said holds while the next one has not spoken."""
    known = run.status.condition(ConditionType.BASE_WEIGHTS)
    if said is not None:
        status = ConditionStatus.TRUE if said.loaded else ConditionStatus.FALSE
        return status, Reason.WEIGHTS_LOADED if said.loaded else Reason.RANDOM_WEIGHTS, said.message
    if known is not None:
        return known.status, known.reason, known.message
    return ConditionStatus.UNKNOWN, Reason.NOT_YET, "training has not said yet which weights it starts from"


def _trained(summary: Summary, model: PublishedModel | None) -> _State:
    if model is None and summary.phase is Phase.SUCCEEDED:
        return ConditionStatus.UNKNOWN, summary.reason, summary.message
    if model is None:
        return ConditionStatus.FALSE, Reason.NOT_YET, "no model has been published"
    # A run with a model has succeeded: its summary tells of the model.
    return ConditionStatus.TRUE, Reason.MODEL_PUBLISHED, summary.message


def _suspended(summary: Summary) -> _State:
    if summary.phase is Phase.SUSPENDED:
        return ConditionStatus.TRUE, summary.reason, summary.message
    return ConditionStatus.FALSE, Reason.NOT_SUSPENDED, "the run is not suspended"


def _stalled(summary: Summary) -> _State:
    if summary.stalled:
        return ConditionStatus.TRUE, summary.reason, summary.message
    reason = Reason.FINISHED if summary.phase.is_terminal else Reason.PROGRESSING
    return ConditionStatus.FALSE, reason, "nobody's help is needed"


def _reporting(run: Run, summary: Summary, stage: Stage, attempt: int, now: datetime) -> _State:
    if summary.phase.is_terminal:
        return ConditionStatus.FALSE, Reason.FINISHED, "the run is over"
    if not summary.running:
        return ConditionStatus.UNKNOWN, Reason.NOT_RUNNING, "no worker runs"
    progress = run.status.progress
    of_this_attempt = progress is not None and (progress.stage, progress.attempt) == (stage, attempt)
    if progress is None or not of_this_attempt or progress.last_update_time is None:
        return ConditionStatus.UNKNOWN, Reason.NO_REPORT_YET, "the worker has not reported yet"
    if now - progress.last_update_time > REPORTS_STOPPED_AFTER:
        minutes = int(REPORTS_STOPPED_AFTER.total_seconds() // 60)
        message = f"no report for more than {minutes} minutes; the worker goes on anyway"
        return ConditionStatus.FALSE, Reason.REPORTS_STOPPED, message
    return ConditionStatus.TRUE, Reason.REPORTS_ARRIVE, "the worker reports its progress"


def _mirror(summary: Summary, phase: Phase, otherwise: str) -> _State:
    """A condition of its own for the end of a run, for `kubectl wait --for=condition=Complete` and `…=Failed`."""
    if summary.phase is phase:
        return ConditionStatus.TRUE, summary.reason, summary.message
    return ConditionStatus.FALSE, summary.reason, otherwise


def _condition(run: Run, kind: ConditionType, state: _State, old: Condition | None, now: datetime) -> Condition:
    status, reason, message = state
    message = clip(message, MESSAGE_BYTES)
    said = (status, reason, message, run.generation)
    if old is not None and said == (old.status, old.reason, old.message, old.observed_generation):
        return old
    return Condition(
        type=kind,
        status=status,
        reason=str(reason),
        message=message,
        last_transition_time=old.last_transition_time if old is not None and old.status == status else now,
        observed_generation=run.generation,
    )
