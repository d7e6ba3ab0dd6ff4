"""Where a run stands whose Job has not ended: what it waits for, or that its worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from trainingrun_operator.core.conditions.announcement import unannounced
from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.conditions.held import held
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.places import Claim
from trainingrun_operator.core.queueing.suspend import unfulfilled_suspend
from trainingrun_operator.core.queueing.workload import KueueView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import ConditionType, Phase, Reason, Stage

_PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_CONFIG_FAILURES = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# A Job makes its pod within seconds, unless something forbids it.
_POD_NOT_CREATED_AFTER = timedelta(minutes=3)
# Pulling the image comes after, however large it is.
_NOT_MOUNTED_AFTER = timedelta(minutes=3)
_WORKING, _STUCK, _UNPLACED, _STARTING, _REPLACED, _ENDED = range(6)


def summarize(
    run: Run, stage: Stage, job: JobView, pods: Sequence[PodView], now: datetime, *, kueue: KueueView
) -> Summary:
    """The summary of a run whose Job has not ended, from its newest pod; of several shards, from the most telling one.

    Args:
        pods: the Job's, oldest first, those that are gone included.
    """
    if job.suspended:
        return held(run, stage, job, kueue)
    summary = _of_pods(run, stage, job, pods, now)
    return replace(summary, message=summary.message + unfulfilled_suspend(run, job, kueue))


def _of_pods(run: Run, stage: Stage, job: JobView, pods: Sequence[PodView], now: datetime) -> Summary:
    if job.managed_by and not pods:
        return _elsewhere(stage, job)
    newest = _newest_of_each_shard(pods)
    pod = min(newest, key=lambda each: _rank(each, now), default=None)
    if pod is not None and (pod.phase == "Succeeded" or (pod.phase == "Failed" and pod.exit_code == 0)):
        return Summary(
            phase=_working(stage),
            reason=_doing(stage),
            message=f"pod {pod.name} has ended; its Job follows",
            node=pod.node,
        )
    if pod is not None and pod.is_overdue(now):
        return unreachable(pod, Phase.PENDING)
    if pod is None or pod.terminal or pod.deleting:
        if _makes_no_pod(job, pods, now):
            message = (
                f"Job {job.name} has made no pod for minutes, as when a quota or Pod Security forbids it, or the "
                f"service account, RuntimeClass or PriorityClass is missing: kubectl describe job/{job.name}"
            )
            uid = pod.uid if pod is not None else ""
            reason = Reason.POD_NOT_CREATED
            return Summary(phase=Phase.PENDING, reason=reason, message=message, stalled=True, pod_uid=uid)
        message = f"{stage} waits for its Job to create a pod"
        return Summary(phase=Phase.PENDING, reason=Reason.WAITING_FOR_POD, message=message)
    several = job.shards > 1 and _works(pod)
    return _of_shards(run, stage, job, newest, now) if several else _of_pod(run, stage, pod, now)


def unreachable(pod: PodView, phase: Phase) -> Summary:
    """Of a run that can't go on before a pod has ended, whose node does not say that it has.

    Nobody but a person can know that the node is really off: two pods of one run would write the same checkpoints.
    """
    message = (
        f"pod {pod.name} can't be ended, its node {pod.node} is out of reach. Once the node is off for good: kubectl "
        f"taint node {pod.node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, or kubectl delete pod "
        f"{pod.name} --force"
    )
    reason = Reason.NODE_UNREACHABLE
    return Summary(phase=phase, reason=reason, message=message, node=pod.node, stalled=True, pod_uid=pod.uid)


def behind(ahead: Claim) -> Summary:
    """Of a run that another goes before, since both write to one place."""
    stage = ahead.place.stage
    phase, does = (Phase.QUEUED, "trains") if stage is Stage.TRAIN else (Phase.PENDING, "prepares")
    message = f"{stage} waits for run {ahead.namespace}/{ahead.name}, which {does} {ahead.place.address}"
    if ahead.suspended:
        message += " and is suspended: resume or delete it"
    return Summary(phase=phase, reason=Reason.WAITING_FOR_RUN, message=message)


def _elsewhere(stage: Stage, job: JobView) -> Summary:
    """Of a Job without a pod, which somebody else than this cluster's Job controller runs, perhaps in another one."""
    if not job.ready_pods:
        message = f"{stage} waits for {job.managed_by} to run Job {job.name}"
        return Summary(phase=Phase.PENDING, reason=Reason.WAITING_FOR_POD, message=message)
    message = f"{stage} runs where this operator sees no pods, says {job.managed_by}; no progress is to be expected"
    return Summary(phase=_working(stage), reason=_doing(stage), message=message, running=True)


def _newest_of_each_shard(pods: Sequence[PodView]) -> list[PodView]:
    """The pods that count: they have taken the place of those before them."""
    return list({pod.index: pod for pod in pods if not pod.gone}.values())


def _rank(pod: PodView, now: datetime) -> int:
    """Which of several pods stands for their Job: one that works, or else one that needs help."""
    if pod.is_overdue(now):
        return _STUCK
    if pod.terminal or pod.deleting:
        return _ENDED if pod.exit_code == 0 or pod.phase == "Succeeded" else _REPLACED
    if _works(pod):
        return _WORKING
    if pod.waiting_reason in (*_PULL_FAILURES, *_CONFIG_FAILURES):
        return _STUCK
    return _UNPLACED if pod.unschedulable and not pod.node else _STARTING


def _works(pod: PodView) -> bool:
    return pod.running or pod.phase == "Running"


def _of_shards(run: Run, stage: Stage, job: JobView, newest: Sequence[PodView], now: datetime) -> Summary:
    """Of a Job of which at least one pod works: how many do, on which nodes, and what keeps the others."""
    ranks = [(_rank(pod, now), pod) for pod in newest]
    at_work = [pod for rank, pod in ranks if rank == _WORKING]
    ended = sum(rank == _ENDED for rank, _ in ranks)
    message = f"{stage} runs in {len(at_work)} of {job.shards} pods"
    if ended:
        message += f"; {ended} {'has' if ended == 1 else 'have'} ended"
    kept = sorted((each for each in ranks if each[0] in (_STUCK, _UNPLACED)), key=lambda each: each[0])
    if kept:
        message += f"; {_of_pod(run, stage, kept[0][1], now).message}"
    nodes = sorted({pod.node for pod in at_work if pod.node})
    node = f"{len(nodes)} nodes" if len(nodes) > 1 else "".join(nodes) or None
    return Summary(
        phase=_working(stage),
        reason=_doing(stage),
        message=message,
        node=node,
        running=True,
        pod_uid=max(at_work, key=lambda pod: pod.created_at).uid,
    )


def _makes_no_pod(job: JobView, pods: Sequence[PodView], now: datetime) -> bool:
    """Whether the Job should have made its next pod long ago. Unknown where it is not known when the last one ended."""
    # Until the Job controller has seen that a Job was resumed, its start is that of the time before.
    since = [job.started_at, *([job.resumed_at] if job.resumed_at else []), *(pod.finished_at for pod in pods)]
    return not job.held and all(time and now - time > _POD_NOT_CREATED_AFTER for time in since)


def _of_pod(run: Run, stage: Stage, pod: PodView, now: datetime) -> Summary:
    summary = _of_live_pod(run, stage, pod, now) if not pod.is_overdue(now) else unreachable(pod, Phase.PENDING)
    return replace(summary, pod_uid=pod.uid)


def _of_live_pod(run: Run, stage: Stage, pod: PodView, now: datetime) -> Summary:
    if _works(pod):
        message = f"{stage} runs in pod {pod.name}"
        return Summary(phase=_working(stage), reason=_doing(stage), message=message, node=pod.node, running=True)
    if pod.unschedulable and not pod.node:
        return _unscheduled(run, stage, pod)
    if pod.waiting_reason in _PULL_FAILURES:
        message = f"the image can't be pulled: {_lasting_message(run, pod, Reason.IMAGE_PULL_FAILED)}"
        return _stuck(Reason.IMAGE_PULL_FAILED, message, pod)
    if pod.waiting_reason in _CONFIG_FAILURES:
        message = f"the container can't be created: {pod.waiting_message or pod.waiting_reason}"
        return _stuck(Reason.CONTAINER_CONFIG_ERROR, message, pod)
    if pod.mounting_since and now - pod.mounting_since > _NOT_MOUNTED_AFTER:
        message = (
            f"pod {pod.name} has waited for its volumes for minutes, as when a Secret that it mounts, or its key, is "
            f"missing: kubectl describe pod/{pod.name}"
        )
        return _stuck(Reason.CONTAINER_CONFIG_ERROR, message, pod)
    message = f"pod {pod.name} starts" + (f" on node {pod.node}" if pod.node else "")
    return Summary(phase=Phase.PENDING, reason=Reason.STARTING, message=message, node=pod.node)


def _working(stage: Stage) -> Phase:
    return Phase.TRAINING if stage is Stage.TRAIN else Phase.PREPROCESSING


def _doing(stage: Stage) -> Reason:
    return Reason.TRAINING if stage is Stage.TRAIN else Reason.PREPROCESSING


def _stuck(reason: Reason, message: str, pod: PodView) -> Summary:
    return Summary(phase=Phase.PENDING, reason=reason, message=message, node=pod.node, stalled=True)


def _unscheduled(run: Run, stage: Stage, pod: PodView) -> Summary:
    gpu = run.spec.gpu
    # The scheduler's words; of claims it does not say which one.
    lacking = "cannot allocate all claims" if gpu.resource_claim else f"Insufficient {gpu.resource_name}"
    if stage is Stage.TRAIN and lacking in pod.unschedulable:
        message = f"training waits for {run.spec.training.gpus_per_node} x {gpu}: {pod.unschedulable}"
        return Summary(phase=Phase.QUEUED, reason=Reason.WAITING_FOR_GPU, message=message)
    phase = Phase.QUEUED if stage is Stage.TRAIN else Phase.PENDING
    message = f"{stage} waits for a node that fits: {pod.unschedulable}"
    return Summary(phase=phase, reason=Reason.WAITING_FOR_NODE, message=message)


def _lasting_message(run: Run, pod: PodView, reason: Reason) -> str:
    """The registry's own answer, which the kubelet replaces by "back-off" in between: the first is what helps."""
    old = run.status.condition(ConditionType.SUCCEEDED)
    if pod.waiting_reason == "ImagePullBackOff" and old is not None and old.reason == reason:
        return unannounced(old.message).partition(": ")[2] or pod.waiting_message
    return pod.waiting_message or pod.waiting_reason
