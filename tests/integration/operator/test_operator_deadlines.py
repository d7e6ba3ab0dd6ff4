"""Deadlines and the review against the real Job controller: what is ended makes no pod ever again."""

from __future__ import annotations

import time

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration


def conditions(job: Object) -> dict[str, str]:
    """The reason of each that holds."""
    found = job.get("status", {}).get("conditions", [])
    return {each["type"]: each.get("reason", "") for each in found if each["status"] == "True"}


def job_failed(life: Life, stage: str, number: int = 0) -> Object:
    def ended() -> Object | None:
        job = life.jobs(stage)[number]
        return job if conditions(job).get("Failed") == "DeadlineExceeded" else None

    return wait_for(ended, "the Job controller has ended the Job")


def test_an_attempt_that_finds_no_place_fails_in_time_and_the_next_one_follows(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, deadlines={"start": "10s"})
    first = life.has_pod("preprocess")
    wait_for(lambda: "the attempt fails at" in life.condition("Succeeded").get("message", ""), "the deadline is named")
    wait_for(lambda: life.status.get("lastFailure"), "the attempt has failed")
    failure = life.status["lastFailure"]
    assert failure["class"] == "StartDeadlineExceeded"
    assert "preprocess waits for a node that fits" in failure["message"]
    job_failed(life, "preprocess")
    wait_for(lambda: len(life.jobs("preprocess")) == 2, "there is a second Job")
    second = life.runs("preprocess")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    life.reaches("Preprocessing")
    assert life.status["attempts"]["counted"] == 1


def test_a_run_out_of_time_fails_and_its_training_is_stopped(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    life.runs("train")
    life.reaches("Training")
    kube.patch(life.path, {"spec": {"deadlines": {"active": "10s"}}})
    status = life.reaches("Failed", reason="DeadlineExceeded")
    assert "longer than spec.deadlines.active of 10s" in life.condition("Failed")["message"]
    assert "pausedSeconds" not in status
    job_failed(life, "train")
    assert life.pods("train") == []


def test_a_job_that_others_suspend_and_resume_later_makes_no_pod_for_a_run_that_is_over(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    queue = {"kueue.x-k8s.io/queue-name": "team-a"}
    life = Life(kube, namespace, preprocess={"podTemplate": {"labels": queue}})
    life.has_pod("preprocess")
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{life.jobs()[0]['metadata']['name']}"
    kube.patch(path, {"spec": {"suspend": True}})
    life.reaches("Queued", reason="WaitingForQuota")
    kube.patch(life.path, {"spec": {"deadlines": {"active": "10s"}}})
    life.reaches("Failed", reason="DeadlineExceeded")
    version = kube.get(path)["metadata"]["resourceVersion"]
    kube.patch(path, {"spec": {"suspend": False}})
    job_failed(life, "preprocess")
    assert life.pods("preprocess") == []
    assert kube.get(path)["metadata"]["resourceVersion"] != version


def test_training_waits_for_the_approval_of_its_dataset(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace, review={"required": True})
    life.passes("preprocess")
    life.reaches("AwaitingReview", reason="AwaitingReview")
    wait_for(lambda: "AwaitingReview" in life.events(), "the Event is posted")
    time.sleep(1)
    assert life.jobs("train") == []
    message = life.condition("Succeeded")["message"]
    assert f"kubectl patch trainingrun tables -n {namespace} --type merge -p " in message
    kube.patch(life.path, {"spec": {"review": {"approved": True}}})
    life.passes("train")
    status = life.reaches("Succeeded")
    assert status["pausedSeconds"] >= 1
