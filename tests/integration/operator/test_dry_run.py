"""What can't be made is said before a run starts, in the words of the real API server."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest

from tests.support.certificates import self_signed
from tests.support.cluster.kube import Kube, wait_for
from tests.support.operator.lifecycle import Life, a_run
from tests.support.operator.operator_process import OperatorProcess
from trainingrun_operator.api.cluster import Cluster
from trainingrun_operator.core.decisions.rejection import explain
from trainingrun_operator.core.errors import InvalidError
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.jobs.service import build_service
from trainingrun_operator.core.plan import CreateError
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

pytestmark = pytest.mark.integration

TEMPLATE = "spec.training.podTemplate"
RESOURCES = f"{TEMPLATE}.resources"


@pytest.fixture
async def cluster(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """The operator's own client."""
    # Read from the environment when the client is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kube.kubeconfig))
    client = Cluster(reporter="test", workers=1, may_write=lambda: True)
    yield client
    await client.close()


def read(name: str, namespace: str, **spec: Any) -> Run:
    body = a_run(name, **spec)
    body["metadata"] |= {"namespace": namespace, "uid": "1"}
    return Run.parse(body)


def template(**fields: Any) -> dict[str, Any]:
    return {"training": {"podTemplate": fields}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            template(resources={"requests": {"memory": "4Gi"}, "limits": {"memory": "2Gi"}}),
            f'{RESOURCES}.requests: Invalid value: "4Gi": must be less than or equal to memory limit of 2Gi',
        ),
        (template(resources={"limits": {"hugepages-2Mi": "4Mi"}}), f"{RESOURCES}: Forbidden: HugePages require cpu"),
        (template(resources={"limits": {"foo bar": 1}}), f'{RESOURCES}.limits[foo bar]: Invalid value: "foo bar"'),
        (template(labels={"a b": "x"}), f'{TEMPLATE}.labels: Invalid value: "a b": name part must consist of'),
        (template(annotations={"a b": "x"}), f'{TEMPLATE}.annotations: Invalid value: "a b": name part must'),
        (template(nodeSelector={"a b": "x"}), f'{TEMPLATE}.nodeSelector: Invalid value: "a b": name part must'),
        (
            template(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
            f'{TEMPLATE}.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is',
        ),
        (
            template(tolerations=[{"operator": "Equal", "value": "b"}]),
            f'{TEMPLATE}.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty',
        ),
        (
            template(labels={"batch.kubernetes.io/job-name": "x"}),
            f"{TEMPLATE}.labels[batch.kubernetes.io/job-name]: must be 'tables-train-1-",
        ),
        (template(labels={"controller-uid": "x"}), f"{TEMPLATE}.labels[controller-uid]: must be "),
        (template(runtimeClassName="A"), f'{TEMPLATE}.runtimeClassName: Invalid value: "A": a lowercase RFC 1123'),
        ({"serviceAccountName": "No Name"}, 'spec.serviceAccountName: Invalid value: "No Name": a lowercase RFC'),
        ({"storage": {"credentialsSecret": "a b"}}, 'spec.storage.credentialsSecret: Invalid value: "a b": a lower'),
        # What the API server can't even read has no field.
        (
            template(resources={"limits": {"cpu": "1m2"}}),
            'Job in version "v1" cannot be handled as a Job: unable to parse quantity\'s suffix',
        ),
    ],
    ids=lambda value: value.partition(": ")[0] if isinstance(value, str) else "",
)
async def test_an_invalid_job_is_told_by_the_field_of_the_spec(
    cluster: Cluster, namespace: str, spec: dict[str, Any], said: str
) -> None:
    job = build_job(read("tables", namespace, **spec), Stage.TRAIN, 1, JobDefaults(image="worker:1"))
    with pytest.raises(InvalidError) as refused:
        await cluster.dry_run(job)
    error = CreateError(
        name="j", stage=Stage.TRAIN, message=str(refused.value), causes=refused.value.causes, permanent=True
    )
    assert explain(error).startswith(said)


async def test_a_dry_run_makes_nothing_and_takes_a_name_that_is_taken(
    cluster: Cluster, kube: Kube, namespace: str
) -> None:
    run = read("2026.tables", namespace, training={"nodes": 2})
    job, service = build_job(run, Stage.TRAIN, 1, JobDefaults(image="worker:1")), build_service(run)
    for manifest in (job, service):
        await cluster.dry_run(manifest)
    assert kube.jobs(namespace) == []
    await cluster.create_job(job)
    await cluster.create_service(service)
    for manifest in (job, service):
        await cluster.dry_run(manifest)


def test_a_training_that_can_never_be_made_is_told_at_once_and_starts_once_its_spec_is_edited(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, **template(resources={"requests": {"memory": "4Gi"}, "limits": {"memory": "2Gi"}}))
    status = life.reaches("Pending", reason="JobRejected")
    assert "startTime" not in status
    stalled = life.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "JobRejected")
    assert stalled["message"] == (
        "change the spec, and the run starts: the Job of train is invalid: "
        f'{RESOURCES}.requests: Invalid value: "4Gi": must be less than or equal to memory limit of 2Gi'
    )
    wait_for(lambda: "JobRejected" in life.events(), "an Event tells of it")
    assert life.jobs() == []
    kube.patch(life.path, {"spec": template(resources={"requests": {"memory": "1Gi"}})})
    life.has_pod("preprocess")
    assert life.condition("Stalled")["status"] == "False"


def test_what_a_quota_forbids_waits_and_is_not_started(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    kube.create(quotas, {**body, "spec": {"hard": {"count/jobs.batch": "0"}}})
    wait_for(lambda: kube.get(f"{quotas}/none").get("status", {}).get("hard"), "the quota is in force")
    life = Life(kube, namespace)
    status = life.reaches("Pending", reason="JobRejected")
    assert "startTime" not in status
    assert "exceeded quota: none" in life.condition("Stalled")["message"]
    kube.delete(f"{quotas}/none")
    # Any change of the run tries it at once.
    kube.patch(life.path, {"spec": {"training": {"epochs": 4}}})
    life.has_pod("preprocess")


def test_what_a_webhook_denies_waits_whatever_code_it_denies_with(
    kube: Kube, namespace: str, operator: OperatorProcess, tmp_path: Path
) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "no GPUs on Fridays", "field": "spec.template"}]
    denial = {"code": 422, "reason": "Invalid", "message": "no GPUs on Fridays", "details": {"causes": causes}}
    with denying_webhook(kube, namespace, denial, tmp_path):
        life = Life(kube, namespace)
        status = life.reaches("Pending", reason="JobRejected")
        assert "startTime" not in status
        assert "denied the request: no GPUs on Fridays" in life.condition("Stalled")["message"]
        assert life.condition("Stalled")["message"].startswith("Job tables-preprocess-1-")
    kube.patch(life.path, {"spec": {"training": {"epochs": 4}}})
    life.has_pod("preprocess")


def test_the_nodes_of_a_run_whose_name_begins_with_a_digit_find_each_other(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, "2026.tables", training={"nodes": 2})
    life.passes("preprocess")
    pod = life.has_pod("train")
    [service] = [
        each["metadata"]["name"]
        for each in kube.items(f"/api/v1/namespaces/{namespace}/services")
        if any(owner["uid"] == life.uid for owner in each["metadata"].get("ownerReferences", []))
    ]
    assert service.startswith("run-2026-tables-train-")
    assert pod["spec"]["subdomain"] == service
    [address] = [each["value"] for each in pod["spec"]["containers"][0]["env"] if each["name"] == "MASTER_ADDR"]
    assert address == f"{life.jobs('train')[0]['metadata']['name']}-0.{service}"


@contextmanager
def denying_webhook(kube: Kube, namespace: str, denial: dict[str, Any], folder: Path) -> Iterator[None]:
    """A webhook of the cluster that denies every Job of a namespace."""

    class Denies(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            review["response"] = {"uid": review.pop("request")["uid"], "allowed": False, "status": denial}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    address = kube.address_here()
    key, certificate = self_signed(address)
    (folder / "webhook.pem").write_bytes(key + certificate)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "webhook.pem")
    server = HTTPServer((address, 0), Denies)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    rule = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    webhook = {
        "name": "jobs.example.com",
        "clientConfig": {
            "url": f"https://{address}:{server.server_port}",
            "caBundle": b64encode(certificate).decode(),
        },
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    kube.create(path, {**body, "metadata": {"name": namespace}, "webhooks": [webhook]})
    job = build_job(read("probe", namespace), Stage.PREPROCESS, 1, JobDefaults(image="worker:1"))
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All"
    try:
        wait_for(lambda: kube.refusal(jobs, job), "the webhook is called")
        yield
    finally:
        kube.delete(f"{path}/{namespace}")
        wait_for(lambda: not kube.refusal(jobs, job), "the webhook is called no more")
        server.shutdown()
        server.server_close()
