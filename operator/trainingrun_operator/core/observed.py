"""The few facts of Jobs and pods that decisions rest on, read from the API server's plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from trainingrun_operator.core.names import (
    ANNOTATION_RESOURCES,
    ANNOTATION_SUSPEND,
    FIELD_MANAGER,
    LABEL_ATTEMPT,
    LABEL_RUN_UID,
    LABEL_STAGE,
    WORKER_CONTAINER,
)

KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
KUEUE_PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
# What a Job may name as its controller without another meaning.
_JOB_CONTROLLER = "kubernetes.io/job-controller"
_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
# A gated pod waits for whoever set the gate, such as Kueue, which chooses a place for several pods together.
_NOT_PLACED = ("Unschedulable", "SchedulingGated")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How long after its last moment a pod that is deleted may still be seen. A kubelet that works needs seconds.
_END_OVERDUE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """A Job; `owner_uid` is its controller's UID, the only proof of whose it is."""

    name: str
    namespace: str
    uid: str
    owner_uid: str | None
    # By its label.
    run_uid: str = ""
    # Since when it may have pods: none while it is suspended.
    started_at: datetime | None = None
    # As its spec has it; the Job controller follows.
    suspended: bool = False
    # As the operator last wrote it. Where the spec differs, somebody else has suspended or resumed the Job.
    suspend_wanted: bool = False
    # What its worker asks for, as a hash.
    resources: str = ""
    # Who else wrote spec.suspend last, where that is known.
    suspended_by: str = ""
    # The Job controller's own word: not yet resumed, or since when it is.
    held: bool = False
    resumed_at: datetime | None = None
    # Told to end at once, and to make no pod ever again.
    ending: bool = False
    # Kueue owns spec.suspend of a Job in a queue; writing it would admit the Job past it.
    queue: str = ""
    # Who runs it, where that is not the Job controller of this cluster.
    managed_by: str = ""
    # How many of its pods are ready, by its own count: they need not be in this cluster.
    ready_pods: int = 0
    # How many pods share the work; each has an index where there are several.
    shards: int = 1
    stage: str = ""
    completed_indexes: frozenset[int] = frozenset()
    failed_indexes: frozenset[int] = frozenset()
    # How many of its pods have failed, by its own count.
    failed_pods: int = 0
    complete: bool = False
    failed: bool = False
    failed_reason: str = ""
    failed_message: str = ""
    finished_at: datetime | None = None
    deleting: bool = False
    # Whether it has a time to live after its end.
    expires: bool = False
    # Alone it tells of no change that matters.
    resource_version: str = field(default="", compare=False)

    @property
    def finished(self) -> bool:
        return self.complete or self.failed


@dataclass(frozen=True, kw_only=True, slots=True)
class PodView:
    """A pod and its worker container. `gone` marks the last sight of a pod that has been deleted."""

    name: str
    namespace: str
    uid: str
    owner_uid: str | None
    # By its labels.
    run_uid: str = ""
    stage: str = ""
    attempt: str = ""
    # Which shard it works on, where there are several.
    index: int | None = None
    created_at: datetime = _EPOCH
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    # Whether the node has taken it, so that there is a container to tell of.
    admitted: bool = False
    node: str | None = None
    unschedulable: str = ""
    # Since when its node gets volumes and network ready for it; None once they are.
    mounting_since: datetime | None = None
    disruption: str = ""
    disruption_message: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    running: bool = False
    exit_code: int | None = None
    terminated_reason: str = ""
    terminated_message: str = ""
    # Which container before the worker failed, and how.
    init_failure: str = ""
    # When its container began and ended.
    started_at: datetime | None = None
    finished_at: datetime | None = None
    memory_limit: str | None = None
    memory_request: str | None = None
    # When it is to be gone, its grace period included; None where nobody deletes it.
    deleted_at: datetime | None = None
    gone: bool = False
    resource_version: str = field(default="", compare=False)

    @property
    def terminal(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def deleting(self) -> bool:
        return self.deleted_at is not None

    @property
    def overdue_at(self) -> datetime | None:
        """When a pod that is deleted should have ended, so that its node must be out of reach."""
        if self.deleted_at is None or self.node is None or self.terminal or self.gone:
            return None
        return self.deleted_at + _END_OVERDUE_AFTER

    def is_overdue(self, now: datetime) -> bool:
        """Whether it can't be ended, as where its node is off or cut off: no kubelet is there to say that it ended."""
        return self.overdue_at is not None and now >= self.overdue_at


def tells_the_end(job: JobView, pods: Sequence[PodView]) -> bool:
    """Whether what is known of a finished Job's pods is enough to judge it: they have ended, as many as the Job counts.

    Watches of different kinds are not in step, so a Job's end may be seen before that of its pods.
    """
    if any(not (pod.terminal or pod.gone) for pod in pods):
        return False
    if job.complete:
        succeeded = {pod.index for pod in pods if pod.phase == "Succeeded" or pod.exit_code == 0}
        return len(succeeded) >= job.shards
    failed = [pod for pod in pods if pod.terminal and pod.exit_code != 0]
    return len(failed) >= max(job.failed_pods, 1)


def _controller_uid(meta: Mapping[str, Any]) -> str | None:
    return next((ref["uid"] for ref in meta.get("ownerReferences") or () if ref.get("controller")), None)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _by_type(conditions: Sequence[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    """Conditions by type: their order means nothing."""
    return {condition["type"]: condition for condition in conditions or ()}


def _true(conditions: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    condition = conditions.get(name)
    return condition if condition and condition.get("status") == "True" else None


def _named_worker(containers: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return next((each for each in containers or () if each.get("name") == WORKER_CONTAINER), {})


def _init_waiting(containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What the container that runs before the worker waits for, where it can't be started."""
    waiting = ((each.get("state") or {}).get("waiting") or {} for each in containers)
    return next((each for each in waiting if each.get("reason") not in (None, "PodInitializing")), {})


def _init_failure(containers: Sequence[Mapping[str, Any]]) -> str:
    for each in containers:
        end = (each.get("state") or {}).get("terminated") or {}
        if end.get("exitCode"):
            tail = (end.get("message") or "").strip().splitlines()[-1:]
            return ": ".join([f"{each.get('name')} exited with code {end['exitCode']}", *tail])
    return ""


def _indexes(text: str | None) -> frozenset[int]:
    """Reads what an Indexed Job writes as `1,3-5`."""
    spans = (part.partition("-") for part in (text or "").split(",") if part)
    return frozenset(index for first, _, last in spans for index in range(int(first), int(last or first) + 1))


def _suspended_by(meta: Mapping[str, Any]) -> str:
    """Whoever else was the last to write `spec.suspend`, by the name of its field manager."""
    writers = [
        entry
        for entry in meta.get("managedFields") or ()
        if "f:suspend" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}) and entry.get("manager") != FIELD_MANAGER
    ]
    newest = max(writers, key=lambda entry: entry.get("time") or "", default=None)
    return newest.get("manager") or "" if newest else ""


def view_job(body: Mapping[str, Any]) -> JobView:
    """Reads a `batch/v1` Job."""
    meta, labels = body["metadata"], body["metadata"].get("labels") or {}
    annotations = meta.get("annotations") or {}
    spec, status = body.get("spec") or {}, body.get("status") or {}
    conditions = _by_type(status.get("conditions"))
    complete, failed = _true(conditions, "Complete"), _true(conditions, "Failed")
    hold = conditions.get("Suspended") or {}
    managed_by = spec.get("managedBy") or ""
    return JobView(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        owner_uid=_controller_uid(meta),
        run_uid=labels.get(LABEL_RUN_UID, ""),
        started_at=_time(status.get("startTime")),
        suspended=bool(spec.get("suspend")),
        suspend_wanted=annotations.get(ANNOTATION_SUSPEND) == "true",
        resources=annotations.get(ANNOTATION_RESOURCES, ""),
        suspended_by=_suspended_by(meta),
        held=hold.get("status") == "True",
        resumed_at=_time(hold.get("lastTransitionTime")) if hold.get("status") == "False" else None,
        ending=spec.get("activeDeadlineSeconds") == 0,
        queue=labels.get(KUEUE_QUEUE_LABEL, ""),
        stage=labels.get(LABEL_STAGE, ""),
        managed_by=managed_by if managed_by != _JOB_CONTROLLER else "",
        ready_pods=status.get("ready") or 0,
        shards=spec.get("completions", 1) if spec.get("completionMode") == "Indexed" else 1,
        completed_indexes=_indexes(status.get("completedIndexes")),
        failed_indexes=_indexes(status.get("failedIndexes")),
        failed_pods=status.get("failed") or 0,
        complete=complete is not None,
        failed=failed is not None,
        failed_reason=(failed or {}).get("reason") or "",
        failed_message=(failed or {}).get("message") or "",
        finished_at=_time((complete or failed or {}).get("lastTransitionTime")),
        deleting=bool(meta.get("deletionTimestamp")),
        expires=spec.get("ttlSecondsAfterFinished") is not None,
        resource_version=meta.get("resourceVersion", ""),
    )


def view_pod(body: Mapping[str, Any], *, gone: bool = False) -> PodView:
    """Reads a `v1` Pod; only its worker container counts, whatever side-cars a cluster injects."""
    meta, status = body["metadata"], body.get("status") or {}
    spec, labels = body.get("spec") or {}, meta.get("labels") or {}
    conditions = _by_type(status.get("conditions"))
    scheduled = conditions.get("PodScheduled") or {}
    ready_to_start = conditions.get("PodReadyToStartContainers") or {}
    mounting = ready_to_start.get("status") == "False" and status.get("phase") == "Pending"
    disruption = _true(conditions, "DisruptionTarget") or {}
    worker = _named_worker(status.get("containerStatuses"))
    state = worker.get("state") or {}
    before = status.get("initContainerStatuses") or ()
    waiting, terminated = _init_waiting(before) or state.get("waiting") or {}, state.get("terminated") or {}
    resources = _named_worker(spec.get("containers")).get("resources") or {}
    index = labels.get(_INDEX_LABEL, "")
    return PodView(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        owner_uid=_controller_uid(meta),
        run_uid=labels.get(LABEL_RUN_UID, ""),
        stage=labels.get(LABEL_STAGE, ""),
        attempt=labels.get(LABEL_ATTEMPT, ""),
        index=int(index) if index.isdecimal() else None,
        created_at=_time(meta.get("creationTimestamp")) or _EPOCH,
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        admitted=bool(worker),
        node=spec.get("nodeName"),
        unschedulable=(scheduled.get("message") or "") if scheduled.get("reason") in _NOT_PLACED else "",
        mounting_since=_time(ready_to_start.get("lastTransitionTime")) if mounting else None,
        disruption=disruption.get("reason") or ("DisruptionTarget" if disruption else ""),
        disruption_message=disruption.get("message") or "",
        waiting_reason=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        running="running" in state,
        exit_code=terminated.get("exitCode"),
        terminated_reason=terminated.get("reason") or "",
        terminated_message=terminated.get("message") or "",
        init_failure=_init_failure(before),
        started_at=_time((terminated or state.get("running") or {}).get("startedAt")),
        finished_at=_time(terminated.get("finishedAt")),
        memory_limit=(resources.get("limits") or {}).get("memory"),
        memory_request=(resources.get("requests") or {}).get("memory"),
        deleted_at=_time(meta.get("deletionTimestamp")),
        gone=gone,
        resource_version=meta.get("resourceVersion", ""),
    )
