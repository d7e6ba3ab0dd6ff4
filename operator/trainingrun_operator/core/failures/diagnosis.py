"""Why an attempt failed, and whether another could succeed: one table.

The classes are those of the failure table in docs/trainingrun.md. The first rule that matches decides, so the order
carries meaning: what Kubernetes did to the pod stands before what the container's exit code says, since preemption,
drain and eviction all end in exit 137.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from trainingrun_operator.core.failures.finished_attempt import Deadline, FinishedAttempt
from trainingrun_operator.core.progress.words import printable
from trainingrun_operator.core.resource.status import Stage

PERMANENT_EXIT_CODES = (64, 65, 66, 77)
# NCCL aborts its process: 128 + SIGABRT. That signal does not end the first process of a container: glibc then makes a
# fault of it, 128 + SIGSEGV.
_ABORTED, _ABORTED_AS_FIRST_PROCESS = 134, 139
# Reasons of a container whose command never ran.
_NOT_STARTED = ("StartError", "ContainerCannotRun")
# Reasons that the container runtime and the kubelet give where nobody saw a container end, since the node went down.
_END_UNSEEN = ("Unknown", "ContainerStatusUnknown")


class FailureClass(enum.StrEnum):
    """Why an attempt failed; also the reason in conditions."""

    PREEMPTED = "Preempted"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    INTERRUPTED = "Interrupted"
    ADMISSION_ERROR = "AdmissionError"
    START_ERROR = "StartError"
    INIT_CONTAINER_FAILED = "InitContainerFailed"
    GPU_UNAVAILABLE = "GPUUnavailable"
    GPU_FAULT = "GPUFault"
    OOM_KILLED = "OOMKilled"
    STORAGE_EXCEEDED = "StorageExceeded"
    CUDA_OOM = "CudaOOM"
    LOST_CONTACT = "LostContact"
    TRANSIENT = "Transient"
    CONFIG_ERROR = "ConfigError"
    DATA_ERROR = "DataError"
    NOT_FOUND = "NotFound"
    FORBIDDEN = "Forbidden"
    KILLED = "Killed"
    NO_RESULT = "NoResult"
    RESULT_LOST = "ResultLost"
    FAILED_ELSEWHERE = "FailedElsewhere"
    POD_LOST = "PodLost"
    JOB_LOST = "JobLost"
    STALLED = "Stalled"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    USER_ERROR = "UserError"


class Action(enum.Enum):
    RETRY = "retry"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row: how a class is recognised, whether it counts against retry.limit, what is done, with which message."""

    failure_class: FailureClass
    matches: Callable[[FinishedAttempt], bool]
    message: Callable[[FinishedAttempt], str]
    counted: bool = True
    action: Action = Action.RETRY
    # A class that is not counted must still end: this many in a row, then the run fails.
    at_most: int | None = None
    # The worker's same message twice in a row: a third attempt would end with it, too.
    stops_when_repeated: bool = False
    # The run's next pods avoid the node.
    excludes_node: bool = False


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What one attempt failed of."""

    failure_class: FailureClass
    counted: bool
    action: Action
    at_most: int | None
    stops_when_repeated: bool
    excludes_node: bool
    reason: str
    message: str
    exit_code: int | None
    node: str | None


def _exits(code: int) -> Callable[[FinishedAttempt], bool]:
    return lambda attempt: attempt.exit_code == code


def _fails_transiently_of(failure_class: FailureClass) -> Callable[[FinishedAttempt], bool]:
    return lambda attempt: attempt.exit_code == 75 and attempt.worker_reason == failure_class


def lost_contact(attempt: FinishedAttempt) -> bool:
    """Whether the processes of a training could not reach one another, most likely because another of them failed."""
    several_nodes = attempt.job is not None and attempt.job.shards > 1
    aborted = attempt.exit_code == _ABORTED or (several_nodes and attempt.exit_code == _ABORTED_AS_FIRST_PROCESS)
    return _fails_transiently_of(FailureClass.LOST_CONTACT)(attempt) or (attempt.stage is Stage.TRAIN and aborted)


def _worker_message(otherwise: str) -> Callable[[FinishedAttempt], str]:
    def message(attempt: FinishedAttempt) -> str:
        if attempt.termination and attempt.termination.message:
            return attempt.termination.message
        lines = attempt.pod.terminated_message.strip().splitlines() if attempt.pod else []
        tail = [printable(line).strip() for line in lines[-1:]]
        text = otherwise.format(code=attempt.exit_code)
        # Without a message of the worker's own, Kubernetes puts the log's tail there; its last line is the exception.
        return f"{text}: {tail[0]}" if tail and not tail[0].startswith("{") else text

    return message


def _cluster_message(what: str) -> Callable[[FinishedAttempt], str]:
    def message(attempt: FinishedAttempt) -> str:
        details = (attempt.pod.disruption_message or attempt.pod.message) if attempt.pod else ""
        return f"{what}: {details}" if details else what

    return message


def _out_of_memory(attempt: FinishedAttempt) -> str:
    limit = attempt.pod.memory_limit if attempt.pod else None
    field = f"{'training' if attempt.stage is Stage.TRAIN else 'preprocess'}.podTemplate.resources.limits.memory"
    if limit:
        return f"the worker was killed for using more than its memory limit of {limit} ({field})"
    return f"the worker was killed because its node ran out of memory; no limit was asked for ({field})"


def _refused(attempt: FinishedAttempt) -> bool:
    """A pod that its node refuses fails with a reason, and never has a container.

    The reasons are many (OutOfcpu, UnexpectedAdmissionError, TopologyAffinityError, NodeShutdown; a node under pressure
    says Evicted, as for a pod that ran), and side-cars and device plugins may add others.
    """
    pod = attempt.pod
    return pod is not None and pod.phase == "Failed" and bool(pod.reason) and not pod.admitted and not pod.disruption


def _storage_exceeded(attempt: FinishedAttempt) -> bool:
    """For the pod's own limits the kubelet evicts without DisruptionTarget, which the node's pressure brings."""
    return attempt.pod_reason == "Evicted" and not attempt.disruption and not _refused(attempt)


def _node_lost(attempt: FinishedAttempt) -> bool:
    if attempt.disruption:
        return attempt.disruption in ("DeletionByPodGC", "DeletionByTaintManager")
    of_its_container = attempt.pod.terminated_reason if attempt.pod else ""
    return attempt.pod_reason == "NodeLost" or of_its_container in _END_UNSEEN


def _failed_elsewhere(attempt: FinishedAttempt) -> bool:
    return attempt.pod is None and attempt.job is not None and bool(attempt.job.managed_by)


def _failed_elsewhere_message(attempt: FinishedAttempt) -> str:
    who, said = (attempt.job.managed_by, attempt.job.failed_message) if attempt.job else ("", "")
    return f"{who} ran the Job where this operator sees no pods, and it failed: {said or 'no reason is given'}"


def _never_started(attempt: FinishedAttempt) -> bool:
    """The operator may die between ending the Job, by the Job's own deadline, and writing down why."""
    ended = attempt.job is not None and attempt.job.failed_reason == "DeadlineExceeded" and attempt.exit_code is None
    return attempt.deadline is Deadline.START or ended


def _complete(attempt: FinishedAttempt) -> bool:
    return bool(attempt.job and attempt.job.complete) or attempt.exit_code == 0


RULES: tuple[Rule, ...] = (
    Rule(
        failure_class=FailureClass.DEADLINE_EXCEEDED,
        matches=lambda attempt: attempt.deadline is Deadline.ACTIVE,
        message=lambda attempt: attempt.deadline_message,
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.START_DEADLINE_EXCEEDED,
        matches=_never_started,
        message=lambda attempt: attempt.deadline_message or "the worker did not start within spec.deadlines.start",
        excludes_node=True,
    ),
    Rule(
        failure_class=FailureClass.JOB_LOST,
        matches=lambda attempt: attempt.job is None,
        message=lambda _: "the Job was deleted by someone else before it was done",
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.PREEMPTED,
        matches=lambda attempt: attempt.disruption == "PreemptionByScheduler",
        message=_cluster_message("the pod was preempted"),
        counted=False,
    ),
    Rule(
        failure_class=FailureClass.STORAGE_EXCEEDED,
        matches=_storage_exceeded,
        message=_cluster_message("the pod was evicted for using more storage than its limits allow"),
    ),
    Rule(
        failure_class=FailureClass.NODE_LOST,
        matches=_node_lost,
        message=_cluster_message("the node was lost, or restarted while the worker ran"),
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.EVICTED,
        matches=lambda attempt: bool(attempt.disruption),
        message=_cluster_message("the pod was evicted"),
        counted=False,
    ),
    Rule(
        failure_class=FailureClass.OOM_KILLED,
        matches=lambda attempt: bool(attempt.pod and attempt.pod.terminated_reason == "OOMKilled"),
        message=_out_of_memory,
    ),
    Rule(
        failure_class=FailureClass.RESULT_LOST,
        matches=lambda attempt: _complete(attempt) and (attempt.pod is None or attempt.pod.exit_code is None),
        message=lambda _: "the Job succeeded, but its pod was gone before its result could be read",
    ),
    Rule(
        failure_class=FailureClass.NO_RESULT,
        matches=_complete,
        message=_worker_message("the worker exited with code 0 without publishing its result"),
        stops_when_repeated=True,
    ),
    Rule(
        failure_class=FailureClass.ADMISSION_ERROR,
        matches=_refused,
        message=_cluster_message("the node refused the pod"),
        counted=False,
        at_most=3,
        excludes_node=True,
    ),
    Rule(
        failure_class=FailureClass.START_ERROR,
        matches=lambda attempt: bool(attempt.pod and attempt.pod.terminated_reason in _NOT_STARTED),
        message=_worker_message("the node could not start the container"),
        counted=False,
        at_most=2,
        excludes_node=True,
    ),
    Rule(
        failure_class=FailureClass.INIT_CONTAINER_FAILED,
        matches=lambda attempt: bool(attempt.pod and attempt.pod.init_failure and attempt.pod.exit_code is None),
        message=lambda attempt: f"the init container {printable(attempt.pod.init_failure) if attempt.pod else ''}",
    ),
    Rule(
        failure_class=FailureClass.CONFIG_ERROR,
        matches=_exits(64),
        message=_worker_message("the worker found its configuration wrong (exit code 64)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.DATA_ERROR,
        matches=_exits(65),
        message=_worker_message("the worker found the data wrong (exit code 65)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.NOT_FOUND,
        matches=_exits(66),
        message=_worker_message("the worker did not find what it was told to read (exit code 66)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.FORBIDDEN,
        matches=_exits(77),
        message=_worker_message("the worker was refused by S3 (exit code 77)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.GPU_UNAVAILABLE,
        matches=_exits(69),
        message=_worker_message("the worker can't use the GPUs that it was given (exit code 69)"),
        counted=False,
        at_most=2,
        excludes_node=True,
    ),
    Rule(
        failure_class=FailureClass.CUDA_OOM,
        matches=_exits(86),
        message=_worker_message(
            "the GPU's memory was not enough (exit code 86): take a smaller config or a larger GPU"
        ),
        at_most=1,
    ),
    Rule(
        failure_class=FailureClass.GPU_FAULT,
        matches=_fails_transiently_of(FailureClass.GPU_FAULT),
        message=_worker_message("a GPU failed (exit code 75)"),
        counted=False,
        at_most=2,
        excludes_node=True,
    ),
    Rule(
        failure_class=FailureClass.LOST_CONTACT,
        matches=lost_contact,
        message=_worker_message("the training processes lost contact (exit code {code})"),
    ),
    Rule(
        failure_class=FailureClass.TRANSIENT,
        matches=_exits(75),
        message=_worker_message("a service that the worker needs failed (exit code 75)"),
    ),
    Rule(
        failure_class=FailureClass.STALLED,
        matches=_exits(124),
        message=_worker_message("the worker made no step within spec.deadlines.progress (exit code 124)"),
    ),
    Rule(
        failure_class=FailureClass.INTERRUPTED,
        matches=_exits(143),
        message=_worker_message("the worker was told to stop and did (exit code 143)"),
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.KILLED,
        matches=_exits(137),
        message=_worker_message("the worker was killed (exit code 137)"),
    ),
    Rule(
        failure_class=FailureClass.FAILED_ELSEWHERE,
        matches=_failed_elsewhere,
        message=_failed_elsewhere_message,
    ),
    Rule(
        failure_class=FailureClass.POD_LOST,
        matches=lambda attempt: attempt.exit_code is None,
        message=_cluster_message("the pod was gone before its end could be seen"),
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.USER_ERROR,
        matches=lambda _: True,
        message=_worker_message("the worker exited with code {code}"),
        stops_when_repeated=True,
    ),
)


def diagnose(attempt: FinishedAttempt) -> Diagnosis:
    """The first row that matches; the last one matches all."""
    rule = next(rule for rule in RULES if rule.matches(attempt))
    has_message = bool(attempt.termination and attempt.termination.message)
    return Diagnosis(
        failure_class=rule.failure_class,
        counted=rule.counted,
        action=rule.action,
        at_most=rule.at_most,
        stops_when_repeated=rule.stops_when_repeated and has_message,
        excludes_node=rule.excludes_node,
        reason=attempt.worker_reason or rule.failure_class,
        message=rule.message(attempt),
        exit_code=attempt.exit_code,
        node=attempt.pod.node if attempt.pod else None,
    )
