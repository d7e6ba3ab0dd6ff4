"""The Events that follow from what a decision says; those of its own making stand beside it in reconcile.py."""

from __future__ import annotations

from collections.abc import Sequence

from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.failures.diagnosis import diagnose
from trainingrun_operator.core.failures.finished_attempt import FinishedAttempt
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.progress.termination import TrainedModel
from trainingrun_operator.core.queueing.workload import WorkloadView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase, Reason, Stage, Status

_REASONS_WITH_EVENT = (Reason.WAITING_FOR_GPU, Reason.WAITING_FOR_NODE, Reason.SUSPENDED)


def events_of_summary(run: Run, summary: Summary, job: JobView) -> tuple[Event, ...]:
    """An Event when the run begins to wait for something, or when its worker starts."""
    old = run.status.condition(ConditionType.SUCCEEDED)
    has_event = summary.running or summary.stalled or summary.reason in _REASONS_WITH_EVENT
    if not has_event or (old is not None and old.reason == summary.reason):
        return ()
    reason = summary.reason
    if summary.running:
        reason = "TrainingStarted" if summary.phase is Phase.TRAINING else "PreprocessStarted"
    # A Job may have many pods one after another, and a run be suspended again and again.
    key = f"{reason}-{job.name}-{summary.pod_uid or run.generation}"
    return (Event(reason=reason, message=summary.message, key=key, warning=summary.stalled),)


def events_of_disruptions(stage: Stage, job: JobView, pods: Sequence[PodView]) -> tuple[Event, ...]:
    """One for each pod that was disrupted and that its Job replaces."""
    told = [(pod, diagnose(FinishedAttempt.of(stage, job, pod))) for pod in pods]
    return tuple(
        Event(
            reason=diagnosis.failure_class,
            message=f"{stage} goes on in another pod than {pod.name}: {diagnosis.message}",
            key=f"disrupted-{pod.uid}",
            warning=True,
        )
        for pod, diagnosis in told
    )


def events_of_stop(status: Status, summary: Summary, job: JobView, workload: WorkloadView | None) -> tuple[Event, ...]:
    """One each time that somebody else stops a Job at work, by Kueue's own reason where there is one."""
    reason = (workload.evicted_reason if workload is not None else "") or summary.reason
    key = f"stopped-{job.name}-{status.attempts.disrupted}"
    return (Event(reason=reason, message=summary.message, key=key, warning=True),)


def events_of_base_weights(run: Run, status: Status) -> tuple[Event, ...]:
    """One when a training turns out to start from weights that have learned nothing."""
    before, now = (each.condition(ConditionType.BASE_WEIGHTS) for each in (run.status, status))
    known = before is not None and before.status is ConditionStatus.FALSE
    if known or now is None or now.status is not ConditionStatus.FALSE:
        return ()
    return (Event(reason=Reason.RANDOM_WEIGHTS, message=now.message, key="random-weights", warning=True),)


def events_of_warnings(model: TrainedModel) -> tuple[Event, ...]:
    """One for each thing that the user of the model should know."""
    return tuple(
        Event(reason=each.reason, message=each.message, key=f"model-{each.reason}", warning=True)
        for each in model.warnings
    )
