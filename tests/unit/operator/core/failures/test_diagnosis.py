"""The failure table, row by row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.support.operator.world import termination
from trainingrun_operator.core.failures.diagnosis import Action, FailureClass, diagnose
from trainingrun_operator.core.failures.finished_attempt import Deadline, FinishedAttempt
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.resource.status import Stage

FAILED_JOB = JobView(name="j", namespace="demo", uid="j", owner_uid="r", failed=True)
ENDED_JOB = JobView(name="j", namespace="demo", uid="j", owner_uid="r", failed=True, failed_reason="DeadlineExceeded")
COMPLETE_JOB = JobView(name="j", namespace="demo", uid="j", owner_uid="r", complete=True)


def pod(**fields: Any) -> PodView:
    return PodView(name="p", namespace="demo", uid="p", owner_uid="j", **{"phase": "Failed", **fields})


@dataclass(frozen=True)
class Row:
    failure_class: str
    pod: PodView | None
    counted: bool = True
    action: Action = Action.RETRY
    says: str = ""
    job: JobView | None = field(default=FAILED_JOB)
    deadline: Deadline | None = None


def policy_failure(code: int) -> JobView:
    message = f"Container worker for pod demo/p failed with exit code {code} matching FailJob rule at index 1"
    return JobView(name="j", namespace="demo", uid="j", owner_uid="r", failed=True, failed_message=message)


def failed(code: int, reason: str, says: str = "the worker's own words") -> PodView:
    message = termination("train", "failed", exitCode=code, reason=reason, message=says)
    return pod(exit_code=code, terminated_message=message)


ELSEWHERE = JobView(
    name="j", namespace="demo", uid="j", owner_uid="r", failed=True, failed_message="too often", managed_by="a.b/c"
)
NO_COMMAND = 'runc create failed: exec: "python3": executable file not found in $PATH'
SEVERAL_NODES = JobView(name="j", namespace="demo", uid="j", owner_uid="r", failed=True, shards=2)
TRACEBACK = "Traceback (most recent call last):\n  File x\nValueError: no such class\n"
ROWS = [
    Row(
        "FailedElsewhere",
        None,
        job=ELSEWHERE,
        says="a.b/c ran the Job where this operator sees no pods, and it failed: too often",
    ),
    Row("Preempted", pod(exit_code=137, disruption="PreemptionByScheduler"), counted=False),
    Row(
        "Evicted",
        pod(exit_code=143, disruption="EvictionByEvictionAPI", disruption_message="drained"),
        False,
        says="drained",
    ),
    Row("Evicted", pod(exit_code=137, disruption="TerminationByKubelet"), counted=False),
    Row(
        "Evicted",
        pod(
            reason="Evicted",
            message="The node was low on resource: memory.",
            disruption="TerminationByKubelet",
            disruption_message="The node was low on resource: memory.",
        ),
        False,
        says="low on resource",
    ),
    Row(
        "StorageExceeded",
        pod(
            exit_code=137,
            admitted=True,
            reason="Evicted",
            message='Usage of EmptyDir volume "work" exceeds the limit "1Gi". ',
        ),
        says='EmptyDir volume "work"',
    ),
    Row("NodeLost", pod(exit_code=137, disruption="DeletionByTaintManager"), counted=False),
    Row("NodeLost", pod(disruption="DeletionByPodGC"), counted=False),
    Row("Interrupted", pod(exit_code=143), counted=False),
    Row("Stalled", pod(exit_code=124), says="within spec.deadlines.progress"),
    Row("Stalled", failed(124, "Stalled"), says="own words"),
    Row("StartDeadlineExceeded", None, job=ENDED_JOB, says="it waited for a GPU"),
    Row("StartDeadlineExceeded", pod(phase="Pending"), deadline=Deadline.START, says="it waited for a GPU"),
    Row("Interrupted", pod(exit_code=143), counted=False, job=ENDED_JOB),
    Row("DeadlineExceeded", pod(exit_code=143), action=Action.FAIL, deadline=Deadline.ACTIVE, says="it waited"),
    Row("DeadlineExceeded", pod(exit_code=64), action=Action.FAIL, deadline=Deadline.ACTIVE, says="it waited"),
    Row(
        "AdmissionError", pod(reason="UnexpectedAdmissionError", message="no healthy devices"), False, says="no healthy"
    ),
    Row("AdmissionError", pod(reason="OutOfnvidia.com/gpu"), counted=False),
    Row("AdmissionError", pod(reason="Evicted", message="The node had condition: [DiskPressure]. "), counted=False),
    Row("OOMKilled", pod(exit_code=137, terminated_reason="OOMKilled", memory_limit="4Gi"), says="memory limit of 4Gi"),
    Row("OOMKilled", pod(exit_code=0, terminated_reason="OOMKilled"), says="no limit was asked for", job=COMPLETE_JOB),
    Row(
        "StartError",
        pod(exit_code=128, terminated_reason="StartError", terminated_message=NO_COMMAND),
        False,
        says="$PATH",
    ),
    Row("StartError", pod(exit_code=127, terminated_reason="ContainerCannotRun"), False, says="could not start"),
    Row("GPUUnavailable", pod(exit_code=69), counted=False, says="can't use the GPUs"),
    Row("CudaOOM", pod(exit_code=86), says="smaller config or a larger GPU"),
    Row("GPUFault", failed(75, "GPUFault"), counted=False, says="own words"),
    Row("LostContact", failed(75, "LostContact"), says="own words"),
    Row("LostContact", pod(exit_code=134), says="lost contact (exit code 134)"),
    Row("LostContact", pod(exit_code=139), job=SEVERAL_NODES),
    Row("Transient", pod(exit_code=75)),
    Row("Transient", failed(75, "Transient"), says="own words"),
    Row("ConfigError", pod(exit_code=64), action=Action.FAIL),
    Row("DataError", pod(exit_code=65), action=Action.FAIL),
    Row("NotFound", pod(exit_code=66), action=Action.FAIL),
    Row("Forbidden", pod(exit_code=77), action=Action.FAIL),
    Row("DataError", None, action=Action.FAIL, job=policy_failure(65), says="exit code 65"),
    Row("Killed", pod(exit_code=137)),
    Row(
        "InitContainerFailed",
        pod(admitted=True, init_failure="fetch exited with code 3"),
        says="container fetch exited",
    ),
    Row("DataError", replace(failed(65, "DataError"), init_failure="x exited with code 1"), action=Action.FAIL),
    Row("Preempted", pod(init_failure="fetch exited with code 143", disruption="PreemptionByScheduler"), counted=False),
    Row("PodLost", None, counted=False),
    Row("JobLost", None, counted=False, job=None),
    Row("ResultLost", None, job=COMPLETE_JOB),
    Row("NoResult", pod(exit_code=0, phase="Succeeded"), job=COMPLETE_JOB),
    Row("UserError", pod(exit_code=1, terminated_message=TRACEBACK), says="ValueError: no such class"),
    Row("UserError", pod(exit_code=127), says="code 127"),
    Row("UserError", pod(exit_code=139)),
]
FAILURES_OF_A_NODE = ("AdmissionError", "StartError", "StartDeadlineExceeded", "GPUUnavailable", "GPUFault")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.failure_class}-{row.pod and row.pod.exit_code}")
def test_a_failure_is_told_by_its_job_and_its_pod(row: Row) -> None:
    attempt = FinishedAttempt.of(Stage.TRAIN, row.job, row.pod)
    diagnosis = diagnose(replace(attempt, deadline=row.deadline, deadline_message="it waited for a GPU"))
    assert (diagnosis.failure_class, diagnosis.counted, diagnosis.action) == (
        row.failure_class,
        row.counted,
        row.action,
    )
    assert row.says in diagnosis.message
    assert diagnosis.excludes_node == (row.failure_class in FAILURES_OF_A_NODE)


def test_every_class_has_a_row() -> None:
    assert {row.failure_class for row in ROWS} == set(FailureClass)


def test_a_preprocess_that_is_aborted_has_lost_contact_with_nobody() -> None:
    diagnosis = diagnose(FinishedAttempt.of(Stage.PREPROCESS, FAILED_JOB, pod(exit_code=134)))
    assert diagnosis.failure_class is FailureClass.USER_ERROR


@pytest.mark.parametrize("code", [64, 65, 66, 69, 75, 77, 86, 1, 143])
def test_the_workers_own_sentence_is_the_message(code: int) -> None:
    message = termination("train", "failed", exitCode=code, reason="Mine", message="page 3 of a.pdf is broken")
    diagnosis = diagnose(FinishedAttempt.of(Stage.TRAIN, FAILED_JOB, pod(exit_code=code, terminated_message=message)))
    assert diagnosis.message == "page 3 of a.pdf is broken"
    assert diagnosis.reason == "Mine"
