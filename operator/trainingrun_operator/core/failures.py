"""Why an attempt failed, and what is done about it: one table.

The classes are those of the failure table in docs/trainingrun.md. The first rule that matches decides, so the order
carries meaning: what Kubernetes did to the pod stands before what the container's exit code says, since preemption,
drain and eviction all end in exit 137.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.progress.termination import Termination, read_termination
from trainingrun_operator.core.resource.status import LastFailure, Stage

PERMANENT_EXIT_CODES = (64, 65, 66, 77, 86)
MAX_BACKOFF = timedelta(minutes=10)


class FailureClass(enum.StrEnum):
    """Why an attempt failed; also the reason in conditions."""

    PREEMPTED = "Preempted"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    INTERRUPTED = "Interrupted"
    ADMISSION_ERROR = "AdmissionError"
    OOM_KILLED = "OOMKilled"
    STORAGE_EXCEEDED = "StorageExceeded"
    CUDA_OOM = "CudaOOM"
    TRANSIENT = "Transient"
    CONFIG_ERROR = "ConfigError"
    DATA_ERROR = "DataError"
    NOT_FOUND = "NotFound"
    FORBIDDEN = "Forbidden"
    KILLED = "Killed"
    NO_RESULT = "NoResult"
    RESULT_LOST = "ResultLost"
    POD_LOST = "PodLost"
    JOB_LOST = "JobLost"
    USER_ERROR = "UserError"


class Action(enum.Enum):
    RETRY = "retry"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that is known of a finished attempt. A missing Job or pod was looked for live and is gone."""

    stage: Stage
    job: JobView | None
    pod: PodView | None
    said: Termination | None = None

    @classmethod
    def of(cls, stage: Stage, job: JobView | None, pod: PodView | None) -> Evidence:
        """Reads the pod's termination message."""
        return cls(stage=stage, job=job, pod=pod, said=read_termination(pod.terminated_message) if pod else None)

    @property
    def exit_code(self) -> int | None:
        if self.pod and self.pod.exit_code is not None:
            return self.pod.exit_code
        # The Job keeps the code in its condition when the pod is gone already.
        match = re.search(r"failed with exit code (\d+) matching FailJob", self.job.failed_message if self.job else "")
        return int(match[1]) if match else None

    @property
    def disruption(self) -> str:
        return self.pod.disruption if self.pod else ""

    @property
    def pod_reason(self) -> str:
        return self.pod.reason if self.pod else ""

    @property
    def pod_message(self) -> str:
        return self.pod.message if self.pod else ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row: how a class is recognised, whether it counts against retry.limit, what is done, in which words."""

    failure_class: FailureClass
    matches: Callable[[Evidence], bool]
    words: Callable[[Evidence], str]
    counted: bool = True
    action: Action = Action.RETRY
    # A class that is not counted must still end: this many in a row, then the run fails.
    at_most: int | None = None
    # The worker's same words twice in a row: a third time would say the same.
    stops_when_repeated: bool = False


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What one attempt failed of."""

    failure_class: FailureClass
    counted: bool
    action: Action
    at_most: int | None
    stops_when_repeated: bool
    reason: str
    message: str
    exit_code: int | None
    node: str | None


def _exits(code: int) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.exit_code == code


def _worker_says(otherwise: str) -> Callable[[Evidence], str]:
    def words(evidence: Evidence) -> str:
        if evidence.said and evidence.said.message:
            return evidence.said.message
        tail = evidence.pod.terminated_message.strip().splitlines() if evidence.pod else []
        text = otherwise.format(code=evidence.exit_code)
        # Without a message of the worker's own, Kubernetes puts the log's tail there; its last line is the exception.
        return f"{text}: {tail[-1].strip()}" if tail and not tail[-1].lstrip().startswith("{") else text

    return words


def _cluster_says(what: str) -> Callable[[Evidence], str]:
    def words(evidence: Evidence) -> str:
        details = (evidence.pod.disruption_message or evidence.pod.message) if evidence.pod else ""
        return f"{what}: {details}" if details else what

    return words


def _out_of_memory(evidence: Evidence) -> str:
    limit = evidence.pod.memory_limit if evidence.pod else None
    field = f"{'training' if evidence.stage is Stage.TRAIN else 'preprocess'}.podTemplate.resources.limits.memory"
    if limit:
        return f"the worker was killed for using more than its memory limit of {limit} ({field})"
    return f"the worker was killed because its node ran out of memory; no limit was asked for ({field})"


def _storage_exceeded(evidence: Evidence) -> bool:
    """For the pod's own limits the kubelet evicts without DisruptionTarget, and says other words than "The node …"."""
    return (
        evidence.pod_reason == "Evicted"
        and not evidence.disruption
        and not evidence.pod_message.startswith("The node ")
    )


def _admission_refused(evidence: Evidence) -> bool:
    reason = evidence.pod_reason
    under_pressure = reason == "Evicted" and evidence.pod_message.startswith("The node had condition")
    known = reason in ("UnexpectedAdmissionError", "NodeAffinity") or reason.startswith("OutOf") or under_pressure
    return known and evidence.exit_code is None


def _complete(evidence: Evidence) -> bool:
    return bool(evidence.job and evidence.job.complete) or evidence.exit_code == 0


_ENDED_BY_ITS_NODE = ("Evicted", "Terminated", "NodeShutdown", "Shutdown")

RULES: tuple[Rule, ...] = (
    Rule(
        failure_class=FailureClass.JOB_LOST,
        matches=lambda e: e.job is None,
        words=lambda _: "the Job was deleted by someone else before it was done",
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.PREEMPTED,
        matches=lambda e: e.disruption == "PreemptionByScheduler",
        words=_cluster_says("the pod was preempted"),
        counted=False,
    ),
    Rule(
        failure_class=FailureClass.NODE_LOST,
        matches=lambda e: e.disruption in ("DeletionByPodGC", "DeletionByTaintManager") or e.pod_reason == "NodeLost",
        words=_cluster_says("the node was lost"),
        counted=False,
    ),
    Rule(
        failure_class=FailureClass.STORAGE_EXCEEDED,
        matches=_storage_exceeded,
        words=_cluster_says("the pod was evicted for using more storage than its limits allow"),
    ),
    Rule(
        failure_class=FailureClass.EVICTED,
        matches=lambda e: bool(e.disruption) or (e.pod_reason in _ENDED_BY_ITS_NODE and not _admission_refused(e)),
        words=_cluster_says("the pod was evicted"),
        counted=False,
    ),
    Rule(
        failure_class=FailureClass.OOM_KILLED,
        matches=lambda e: bool(e.pod and e.pod.terminated_reason == "OOMKilled"),
        words=_out_of_memory,
    ),
    Rule(
        failure_class=FailureClass.RESULT_LOST,
        matches=lambda e: _complete(e) and (e.pod is None or e.pod.exit_code is None),
        words=lambda _: "the Job succeeded, but its pod was gone before its result could be read",
    ),
    Rule(
        failure_class=FailureClass.NO_RESULT,
        matches=_complete,
        words=_worker_says("the worker exited with code 0 without publishing its result"),
        stops_when_repeated=True,
    ),
    Rule(
        failure_class=FailureClass.ADMISSION_ERROR,
        matches=_admission_refused,
        words=_cluster_says("the node refused the pod"),
        counted=False,
        at_most=3,
    ),
    Rule(
        failure_class=FailureClass.CONFIG_ERROR,
        matches=_exits(64),
        words=_worker_says("the worker found its configuration wrong (exit code 64)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.DATA_ERROR,
        matches=_exits(65),
        words=_worker_says("the worker found the data wrong (exit code 65)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.NOT_FOUND,
        matches=_exits(66),
        words=_worker_says("the worker did not find what it was told to read (exit code 66)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.FORBIDDEN,
        matches=_exits(77),
        words=_worker_says("the worker was refused by S3 (exit code 77)"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.CUDA_OOM,
        matches=_exits(86),
        words=_worker_says("the GPU's memory was not enough (exit code 86): take a smaller config or a larger GPU"),
        action=Action.FAIL,
    ),
    Rule(
        failure_class=FailureClass.TRANSIENT,
        matches=_exits(75),
        words=_worker_says("a service that the worker needs failed (exit code 75)"),
    ),
    Rule(
        failure_class=FailureClass.INTERRUPTED,
        matches=_exits(143),
        words=_worker_says("the worker was told to stop and did (exit code 143)"),
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.KILLED,
        matches=_exits(137),
        words=_worker_says("the worker was killed (exit code 137)"),
    ),
    Rule(
        failure_class=FailureClass.POD_LOST,
        matches=lambda e: e.exit_code is None,
        words=_cluster_says("the pod was gone before its end could be seen"),
        counted=False,
        at_most=10,
    ),
    Rule(
        failure_class=FailureClass.USER_ERROR,
        matches=lambda _: True,
        words=_worker_says("the worker exited with code {code}"),
        stops_when_repeated=True,
    ),
)


def diagnose(evidence: Evidence) -> Diagnosis:
    """The first row that matches; the last one matches all."""
    rule = next(rule for rule in RULES if rule.matches(evidence))
    spoke = bool(evidence.said and evidence.said.message)
    return Diagnosis(
        failure_class=rule.failure_class,
        counted=rule.counted,
        action=rule.action,
        at_most=rule.at_most,
        stops_when_repeated=rule.stops_when_repeated and spoke,
        reason=(evidence.said.reason if evidence.said else "") or rule.failure_class,
        message=rule.words(evidence),
        exit_code=evidence.exit_code,
        node=evidence.pod.node if evidence.pod else None,
    )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether an attempt is followed by another."""

    retry: bool
    counted: int
    consecutive: int
    # Why it is the last one, in addition to the failure itself; empty where the class alone says so.
    because: str = ""
    limit_reached: bool = False


def judge(
    diagnosis: Diagnosis, last: LastFailure | None, stage: Stage, *, counted: int, limit: int, progressed: bool = False
) -> Verdict:
    """Applies the limits.

    Args:
        counted: the number of counted failures before this one.
        progressed: whether training has stored a newer checkpoint since the last failure, which ends a row of failures.
    """
    same_class = last is not None and (last.stage, last.failure_class) == (stage, diagnosis.failure_class)
    consecutive = (last.consecutive if last and same_class and not progressed else 0) + 1
    if diagnosis.action is Action.FAIL:
        return Verdict(retry=False, counted=counted, consecutive=consecutive)
    counted += diagnosis.counted
    if diagnosis.stops_when_repeated and same_class and last and last.message == diagnosis.message:
        return Verdict(retry=False, counted=counted, consecutive=consecutive, because="it failed twice in the same way")
    if diagnosis.counted and counted > limit:
        because = f"spec.retry.limit of {limit} is used up"
        return Verdict(retry=False, counted=counted, consecutive=consecutive, because=because, limit_reached=True)
    if diagnosis.at_most is not None and consecutive > diagnosis.at_most:
        because = f"this happened {consecutive} times in a row"
        return Verdict(retry=False, counted=counted, consecutive=consecutive, because=because)
    return Verdict(retry=True, counted=counted, consecutive=consecutive)


def retry_time(failed_at: datetime, base: timedelta, nth: int, *key: object) -> datetime:
    """When the next attempt starts: exponential, capped, with jitter that a restarted operator computes again."""
    ceiling = max(MAX_BACKOFF, base)
    delay = ceiling if nth > 16 else min(base * 2 ** (nth - 1), ceiling)
    jitter = 0.8 + 0.4 * int(short_hash(*key), 16) / 16**8
    return failed_at + timedelta(seconds=round(delay.total_seconds() * jitter))
