"""A preprocess stage that several pods share, against the real API server and the real Job controller."""

from __future__ import annotations

import json

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess
from tests.support.operator.world import DATASET, INDEX

pytestmark = pytest.mark.integration
SHARDS = 3


def message(result: str = "succeeded", **fields: object) -> str:
    return json.dumps({"version": 1, "stage": "preprocess", "result": result, **fields})


def share_done(index: int) -> str:
    return message(shard={"index": index, "of": SHARDS, "documents": 7})


def by_index(life: Life) -> dict[int, Object]:
    """The pods that have not ended."""
    return {int(pod["metadata"]["labels"][INDEX]): pod for pod in life.pods("preprocess")}


def all_run(life: Life) -> dict[int, Object]:
    wait_for(lambda: len(by_index(life)) == SHARDS, "every shard has its pod")
    pods = by_index(life)
    for pod in pods.values():
        life.pod_status(pod, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    life.reaches("Preprocessing")
    return pods


@pytest.fixture
def life(kube: Kube, namespace: str, operator: OperatorProcess) -> Life:
    return Life(kube, namespace, "r" * 63, dataset={"parallelism": SHARDS, "passwordsSecret": "passwords"})


def test_a_sharded_stage_is_done_when_all_shares_are(kube: Kube, namespace: str, life: Life) -> None:
    pods = all_run(life)
    wait_for(
        lambda: life.condition("Succeeded")["message"] == f"preprocess runs in {SHARDS} of {SHARDS} pods",
        "the status counts the pods",
    )
    assert pods[1]["spec"]["hostname"] == f"{life.jobs()[0]['metadata']['name']}-1"
    life.exits(pods[1], 0, message(dataset=DATASET))
    life.exits(pods[0], 0, share_done(0))
    wait_for(lambda: life.jobs()[0]["status"].get("completedIndexes") == "0,1", "two shares are done")
    assert "dataset" not in life.status
    life.exits(pods[2], 0, message(dataset={**DATASET, "cacheHit": True}))
    life.has_pod("train")
    wait_for(lambda: life.status["attempts"]["train"] == 1, "the status counts the Job that is there")
    status = life.status
    assert status["dataset"]["report"] == DATASET["report"]
    assert status["dataset"]["cacheHit"] is False
    assert status["attempts"] == {"total": 2, "counted": 0, "disrupted": 0, "preprocess": 1, "train": 1}
    assert "dataset" in life.jobs("train")[0]["spec"]["template"]["spec"]["containers"][0]["command"][3]


def test_a_shards_pod_that_is_killed_is_redone_alone_also_while_the_operator_is_down(
    kube: Kube, namespace: str, life: Life, operator: OperatorProcess
) -> None:
    pods = all_run(life)
    operator.kill()
    life.exits(pods[1], 137)
    # The Job controller waits 10 s before it makes a failed index anew.
    again = wait_for(
        lambda: next((p for i, p in by_index(life).items() if i == 1 and p["metadata"]["uid"] != _uid(pods[1])), None),
        "the Job makes the shard's pod anew",
        timeout_s=60,
    )
    operator.start()
    life.pod_status(again, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    for index, pod in {**pods, 1: again}.items():
        life.exits(pod, 0, message(dataset=DATASET) if index == 1 else share_done(index))
    life.has_pod("train")
    assert len(life.jobs("preprocess")) == 1
    assert "lastFailure" not in life.status


def test_a_permanent_failure_of_one_shard_ends_the_run_with_that_shards_words(life: Life) -> None:
    pods = all_run(life)
    life.exits(pods[2], 65, message("failed", exitCode=65, message="11 of 20 documents are unusable"))
    status = life.reaches("Failed", reason="DataError")
    assert life.condition("Failed")["message"] == "11 of 20 documents are unusable"
    assert status["lastFailure"]["exitCode"] == 65
    failed = {c["type"]: c for c in life.jobs()[0]["status"]["conditions"]}["Failed"]
    assert failed["reason"] == "PodFailurePolicy"
    assert pods[2]["metadata"]["name"] in failed["message"]


def test_a_shard_that_is_given_up_fails_the_attempt_and_another_follows(life: Life) -> None:
    all_run(life)
    for number in range(3):
        pod = wait_for(lambda: by_index(life).get(1), "the shard has its pod", timeout_s=60)
        life.exits(pod, 75, message("failed", exitCode=75, message=f"S3 answered 503 for the {number + 1}. time"))
        wait_for(lambda pod=pod: _uid(by_index(life).get(1)) != _uid(pod), "the pod has ended")
    wait_for(lambda: len(life.jobs("preprocess")) == 2, "there is a second attempt", timeout_s=60)
    failure = life.status["lastFailure"]
    assert failure["class"] == "Transient"
    assert failure["message"].startswith("S3 answered 503")
    assert life.status["attempts"]["counted"] == 1


def _uid(pod: Object | None) -> str:
    return "" if pod is None else str(pod["metadata"]["uid"])
