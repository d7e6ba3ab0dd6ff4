"""The gateway with real tokens: made by the API server, bound to real pods."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration


def token_for(kube: Kube, namespace: str, audience: str, pod: Object | None) -> str:
    """A token as the kubelet asks for it when it fills a projected volume."""
    spec: Object = {"audiences": [audience], "expirationSeconds": 600}
    if pod is not None:
        meta = pod["metadata"]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    token: str = kube.create(path, body)["status"]["token"]
    return token


@dataclass
class Worker:
    """A worker's side of the gateway."""

    operator: OperatorProcess
    context: ssl.SSLContext
    life: Life
    token: str
    answers: list[str] = field(default_factory=list)

    def posts(self, body: bytes | Object, *, token: str | None = None, name: str | None = None) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", self.operator.port, context=self.context, timeout=10)
        try:
            path = f"/v1/namespaces/{self.life.namespace}/trainingruns/{name or self.life.name}/progress"
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            bearer = self.token if token is None else token
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            connection.request("POST", path, data, headers)
            answer = connection.getresponse()
            self.answers.append(answer.read().decode())
            return answer.status
        finally:
            connection.close()

    def reports(self, sequence: int, **fields: Any) -> int:
        return self.posts(report(sequence, **fields))


def report(sequence: int, **fields: Any) -> Object:
    return {"attempt": 1, "sequence": sequence, "stage": "preprocess", "percent": 10.0, **fields}


def audience(life: Life, stage: str = "preprocess", attempt: int = 1) -> str:
    return f"trainingrun.badgerdoc.dev/{life.namespace}/{life.name}/{life.uid}/{stage}/{attempt}"


@pytest.fixture
def worker(kube: Kube, namespace: str, operator: OperatorProcess, gateway_context: ssl.SSLContext) -> Worker:
    """A preprocess pod that runs, and its token."""
    life = Life(kube, namespace)
    pod = life.runs("preprocess")
    life.reaches("Preprocessing")
    return Worker(operator, gateway_context, life, token_for(kube, namespace, audience(life), pod))


def test_a_report_reaches_the_status_under_its_own_field_manager(kube: Kube, worker: Worker) -> None:
    assert worker.reports(1, percent=42.7, etaSeconds=4320, metrics=[{"name": "documents", "value": "9"}]) == 204
    progress = wait_for(lambda: worker.life.status.get("progress"), "the progress is in the status")
    assert progress["percent"] == 42
    assert progress["eta"] == "1h12m"
    assert progress["metrics"] == [{"name": "documents", "value": "9"}]
    managers = {entry["manager"] for entry in kube.get(worker.life.path)["metadata"]["managedFields"]}
    assert {"trainingrun-operator", "trainingrun-progress"} <= managers
    wait_for(lambda: worker.life.condition("Reporting").get("status") == "True", "Reporting is True")
    assert worker.life.status["phase"] == "Preprocessing", "the progress manager takes nothing away"


def test_the_volume_of_the_real_pod_asks_for_exactly_that_audience(kube: Kube, worker: Worker) -> None:
    pod = worker.life.pods("preprocess")[-1]["spec"]
    projected = next(volume["projected"] for volume in pod["volumes"] if volume["name"] == "progress-token")
    assert projected["sources"][0]["serviceAccountToken"]["audience"] == audience(worker.life)
    environment = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    url = f"{worker.operator.url}/v1/namespaces/{worker.life.namespace}/trainingruns/tables/progress"
    assert environment["TRAINING_PROGRESS_URL"] == url
    assert "BEGIN CERTIFICATE" in (environment["TRAINING_PROGRESS_CA"] or "")


def test_progress_survives_the_operators_own_writes_and_its_restart(kube: Kube, worker: Worker) -> None:
    assert worker.reports(5, percent=50.0) == 204
    wait_for(lambda: worker.life.status.get("progress", {}).get("percent") == 50, "50 percent")
    worker.operator.kill()
    worker.operator.start()
    wait_for(lambda: worker.reports(4, percent=40.0) == 409, "an old report is refused after the restart, too")
    assert worker.life.status["progress"]["percent"] == 50
    assert worker.reports(6, percent=60.0) == 204
    wait_for(lambda: worker.life.status["progress"]["percent"] == 60, "60 percent")


def test_an_old_sequence_is_refused(worker: Worker) -> None:
    assert worker.reports(3) == 204
    assert worker.reports(3) == 409
    assert worker.reports(2) == 409
    assert worker.reports(4) == 204


def test_a_new_pod_of_the_same_attempt_counts_from_the_start(kube: Kube, worker: Worker) -> None:
    assert worker.reports(9) == 204
    life = worker.life
    first = life.pods("preprocess")[-1]
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    ended = {"exitCode": 137, "reason": "Error", "finishedAt": "2026-01-01T00:01:00Z"}
    life.pod_status(first, "Failed", {"terminated": ended}, conditions=[disrupted])
    second = wait_for(
        lambda: next((p for p in life.pods("preprocess") if p["metadata"]["uid"] != first["metadata"]["uid"]), None),
        "the Job replaces the pod",
    )
    new_token = token_for(kube, life.namespace, audience(life), second)
    wait_for(lambda: worker.posts(report(1, percent=11.0), token=new_token) == 204, "the new pod's report is taken")
    assert worker.reports(10) == 409, "the old pod has nothing to say any more"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (json.dumps(report(1, percent="10")).encode(), 422),
        (json.dumps(report(1, percent=101)).encode(), 422),
        (json.dumps({**report(1), "stage": "done"}).encode(), 422),
        (json.dumps(report(-1)).encode(), 422),
        (json.dumps(report(1, metrics=[{"name": "m", "value": "1"}] * 17)).encode(), 422),
        (json.dumps(report(1, throughput="x" * 8192)).encode(), 413),
    ],
)
def test_a_bad_body_is_refused(worker: Worker, body: bytes, status: int) -> None:
    assert worker.posts(body) == status, worker.answers


def test_a_field_that_is_not_on_the_list_is_not_taken(kube: Kube, worker: Worker) -> None:
    assert worker.reports(1, phase="Succeeded", model={"uri": "s3://evil"}) == 204
    wait_for(lambda: worker.life.status.get("progress"), "the progress is in the status")
    assert worker.life.status["phase"] == "Preprocessing"
    assert "model" not in worker.life.status


def test_tokens_that_prove_nothing_are_refused(kube: Kube, namespace: str, worker: Worker) -> None:
    header, claims, signature = worker.token.split(".")
    forged = f"{header}.{claims}.{signature[:-8]}AAAAAAAA"
    assert worker.posts(report(1), token="") == 401
    assert worker.posts(report(1), token="nonsense") == 401
    assert worker.posts(report(1), token=forged) == 401
    assert worker.posts(report(1), token=token_for(kube, namespace, audience(worker.life), None)) == 401


def test_a_token_of_another_audience_is_refused(kube: Kube, namespace: str, worker: Worker) -> None:
    pod = worker.life.pods("preprocess")[-1]
    for other in (
        "https://kubernetes.default.svc.cluster.local",
        audience(worker.life, attempt=2),
        audience(worker.life, stage="train"),
    ):
        assert worker.posts(report(1), token=token_for(kube, namespace, other, pod)) == 403


def test_a_pod_of_another_run_cannot_report_for_this_one(kube: Kube, namespace: str, worker: Worker) -> None:
    other = Life(kube, namespace, "other")
    pod = other.runs("preprocess")
    other.reaches("Preprocessing")
    stolen = token_for(kube, namespace, audience(worker.life), pod)
    assert worker.posts(report(1), token=stolen) == 403
    own = token_for(kube, namespace, audience(other), pod)
    assert worker.posts(report(1), token=own) == 403
    assert worker.posts(report(1), token=own, name="other") == 204


def test_a_pod_that_nobody_observed_is_asked_to_come_again(kube: Kube, namespace: str, worker: Worker) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger"},
        "spec": {
            "nodeSelector": {"trainingrun-test/nowhere": "true"},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "worker",
                    "image": "i",
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    pod = kube.create(f"/api/v1/namespaces/{namespace}/pods", body)
    token = token_for(kube, namespace, audience(worker.life), pod)
    assert worker.posts(report(1), token=token) == 503


def test_a_flood_is_stopped(worker: Worker) -> None:
    answers = [worker.reports(sequence) for sequence in range(1, 30)]
    assert 429 in answers
    assert answers[0] == 204


def test_a_flood_of_others_uses_up_nothing_of_the_run(kube: Kube, namespace: str, worker: Worker) -> None:
    pod = worker.life.pods("preprocess")[-1]
    strange = token_for(kube, namespace, audience(worker.life, attempt=2), pod)
    assert {worker.posts(report(sequence), token=strange) for sequence in range(1, 30)} == {403}
    assert worker.reports(30) == 204


def test_a_finished_run_takes_no_report(kube: Kube, worker: Worker) -> None:
    life = worker.life
    life.exits(life.pods("preprocess")[-1], 64, "")
    life.reaches("Failed")
    wait_for(lambda: worker.reports(99) == 409, "the report is refused")


def test_the_last_word_of_the_termination_message_is_written(kube: Kube, worker: Worker) -> None:
    life = worker.life
    life.publishes(life.pods("preprocess")[-1], "preprocess")
    pod = life.runs("train")
    life.reaches("Training")
    token = token_for(kube, life.namespace, audience(life, "train"), pod)
    point = {"epoch": 1, "iteration": 10, "uri": "s3://tables/c/epoch_1.pth", "sha256": "ab", "metric": "0.4"}
    body = report(1, stage="train", percent=33.0, epoch=1, totalEpochs=3, resumePoints=[point])
    wait_for(lambda: worker.posts(body, token=token) == 204, "the train report is taken")
    status = wait_for(
        lambda: life.status if life.status.get("resumePoints") else None, "a checkpoint is written at once"
    )
    assert status["progress"]["epochs"] == "1/3"
    assert status["bestCheckpoint"]["metric"] == "0.4"
    life.publishes(pod, "train")
    status = life.reaches("Succeeded")
    assert status["progress"]["epochs"] == "3/3"
    assert status["progress"]["percent"] == 100
    assert status["resumePoints"][0]["uri"] == "s3://tables/c/epoch_1.pth"
    assert "eta" not in status["progress"]


def test_the_shares_of_several_pods_become_one_figure(kube: Kube, namespace: str, worker: Worker) -> None:
    life = Life(kube, namespace, "sharded", dataset={"parallelism": 2})
    pods = wait_for(lambda: life.pods("preprocess") if len(life.pods("preprocess")) == 2 else None, "both pods")
    tokens = {}
    for pod in pods:
        life.pod_status(pod, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        index = int(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"])
        tokens[index] = token_for(kube, namespace, audience(life), pod)
    life.reaches("Preprocessing")
    for index, percent in ((0, 30.0), (1, 50.0)):
        body = report(9 - index, percent=percent, throughput="1.5 pages/s", shard={"index": index, "of": 2})
        wait_for(lambda body=body, i=index: worker.posts(body, token=tokens[i], name="sharded") == 204, "it is taken")
    progress = wait_for(
        lambda: life.status["progress"] if life.status.get("progress", {}).get("percent") == 40 else None, "the mean"
    )
    assert progress["throughput"] == "3.0 pages/s"
    assert "podUID" not in progress
    forged = report(99, shard={"index": 1, "of": 2})
    assert worker.posts(forged, token=tokens[0], name="sharded") == 422
