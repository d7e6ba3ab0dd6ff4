"""The operator with the rights that the chart gives it and no other, and what docs/security.md says of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.chart import helm, render
from tests.support.operator.kueue import QUEUE, Kueue, serving_workloads
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess
from tests.support.operator.security_page import Right, documented, policy

pytestmark = pytest.mark.integration

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
ACCOUNT = "trainingrun-operator"
KINDS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}


@pytest.fixture(params=["all namespaces", "one namespace"])
def watched(request: pytest.FixtureRequest, namespace: str) -> str:
    """The chart's value."""
    return "" if request.param == "all namespaces" else namespace


@pytest.fixture
def values() -> list[str]:
    """More of the chart's values."""
    return []


@pytest.fixture
def account(kube: Kube, namespace: str, watched: str, values: list[str]) -> Iterator[str]:
    """The chart's service account with all its roles, in the test's namespace."""
    made: list[str] = []
    for (kind, name), item in render("--set", f"watchNamespace={watched}", *values, namespace=namespace).items():
        if kind in KINDS:
            path = KINDS[kind].format(item["metadata"].get("namespace"))
            kube.create(path, item)
            made.append(f"{path}/{name}")
    yield f"system:serviceaccount:{namespace}:{ACCOUNT}"
    for path in made:
        kube.delete(path)


@pytest.fixture
def limited_kubeconfig(kube: Kube, namespace: str, account: str, tmp_path: Path) -> Path:
    """A kubeconfig of that account."""
    request: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account.rpartition(':')[2]}/token"
    token = kube.create(path, request)["status"]["token"]
    config = yaml.safe_load(kube.kubeconfig.read_text())
    context = next(c for c in config["contexts"] if c["name"] == config["current-context"])["context"]
    config["users"] = [{"name": context["user"], "user": {"token": token}}]
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
def limited_operator(
    limited_kubeconfig: Path, namespace: str, gateway_tls: Path, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """The operator as that account."""
    operator = OperatorProcess(limited_kubeconfig, namespace, gateway_tls, log=tmp_path / "operator.log")
    try:
        operator.start()
        yield operator
    finally:
        operator.kill()


def printed(kube: Kube, account: str, namespace: str) -> set[Right]:
    """What `kubectl auth can-i --list` prints."""
    kubectl = [str(Path(helm()).parent / "kubectl"), "--kubeconfig", str(kube.kubeconfig), "--namespace", namespace]
    command = [*kubectl, "auth", "can-i", "--list", "--no-headers", "--as", account]
    rights = set()
    for line in subprocess.check_output(command, text=True).splitlines():
        match = re.fullmatch(r"(\S*) +\[(.*?)\] +\[(.*?)\] +\[(.*?)\]", line)
        assert match, line
        resource, path, name, verbs = match.groups()
        rights.add(Right(resource or path, name, verbs))
    return rights


def test_the_rights_that_kubectl_prints_are_those_of_the_documentation(
    kube: Kube, namespace: str, account: str, watched: str
) -> None:
    own, everybodys = documented()
    assert printed(kube, f"system:serviceaccount:{namespace}:default", namespace) == everybodys
    assert printed(kube, account, namespace) == own | everybodys
    elsewhere = {right for right in own if right.what != "leases.coordination.k8s.io"}
    if watched:
        elsewhere = {right for right in own if right.what.startswith("/")}
    assert printed(kube, account, "default") == elsewhere | everybodys


@pytest.mark.parametrize("watched", ["one namespace"], indirect=True)
def test_the_charts_rights_are_enough(kube: Kube, namespace: str, limited_operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.patch(life.path, {"spec": {"suspend": True}})
    life.reaches("Suspended")
    kube.patch(life.path, {"spec": {"suspend": False}})
    life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.patch(life.path, {"spec": {"suspend": True}})
    life.reaches("Suspended")
    more = {"preprocess": {"podTemplate": {"resources": {"requests": {"cpu": "1"}}}}}
    kube.patch(life.path, {"spec": {**more, "suspend": False}})
    wait_for(lambda: "JobReplaced" in life.events(), "another Job takes its place")
    life.passes("preprocess")
    life.passes("train")
    life.reaches("Succeeded")
    wait_for(lambda: {"Started", "Succeeded"} <= life.events(), "the Events are posted")
    assert "orbidden" not in limited_operator.log, limited_operator.log


@pytest.mark.parametrize("watched", ["one namespace"], indirect=True)
@pytest.mark.parametrize("values", [["--set", "kueue.enabled=true"]])
def test_the_charts_rights_to_kueues_workloads_are_enough(
    kube: Kube, namespace: str, limited_kubeconfig: Path, gateway_tls: Path, tmp_path: Path
) -> None:
    log = tmp_path / "operator.log"
    operator = OperatorProcess(limited_kubeconfig, namespace, gateway_tls, log=log, KUEUE_ENABLED="true")
    with serving_workloads(kube, "v1beta2"), Kueue(kube, namespace, quota=1) as kueue:
        try:
            operator.start()
            life = Life(kube, namespace, labels={QUEUE: "gpus"})
            kueue.admits("tables", "preprocess")
            life.runs("preprocess")
            life.reaches("Preprocessing")
            kube.patch(life.path, {"spec": {"suspend": True}})
            life.reaches("Suspended")
            kube.patch(life.path, {"spec": {"suspend": False}})
            kueue.admits("tables", "preprocess", times=2)
            life.passes("preprocess")
            life.has_pod("train")
            assert "orbidden" not in operator.log, operator.log
        finally:
            operator.kill()


@pytest.fixture
def bounded(kube: Kube, namespace: str, account: str) -> Iterator[None]:
    """The policy of docs/security.md, for the operator of the test."""
    made = []
    text = policy().replace("system:serviceaccount:trainingrun-system:trainingrun-operator", account)
    for item in yaml.safe_load_all(text.replace("name: trainingrun-jobs", f"name: {namespace}")):
        if "policyName" in item["spec"]:
            item["spec"]["policyName"] = namespace
        kinds = {
            "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
        }
        path = f"{ADMISSION}/{kinds[item['kind']]}"
        kube.create(path, item)
        made.append(f"{path}/{namespace}")
    yield
    for path in made:
        kube.delete(path)


@pytest.mark.parametrize("watched", ["one namespace"], indirect=True)
@pytest.mark.usefixtures("bounded", "limited_operator")
def test_the_policy_of_the_documentation_bounds_images_and_service_accounts(
    kube: Kube, namespace: str, limited_kubeconfig: Path
) -> None:
    as_the_operator = Kube(limited_kubeconfig)
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"

    def is_refused() -> bool:
        container = {"name": "c", "image": "elsewhere.example/worker"}
        pod = {"restartPolicy": "Never", "containers": [container]}
        job = {"metadata": {"generateName": "probe-"}, "spec": {"suspend": True, "template": {"spec": pod}}}
        return "images of a TrainingRun" in as_the_operator.refusal(f"{jobs}?dryRun=All", job)

    wait_for(is_refused, "the policy holds")
    good = "registry.example/tables/worker:1"
    admitted = Life(kube, namespace, "admitted", image=good, serviceAccountName="training")
    wait_for(lambda: admitted.jobs("preprocess"), "the run that keeps to it has its Job")
    for name, spec, message in (
        (
            "image",
            {"image": "elsewhere.example/worker:1"},
            "images of a TrainingRun come from registry.example/tables/",
        ),
        ("account", {"image": good, "serviceAccountName": "admin"}, "runs as the service account default or training"),
    ):
        refused = Life(kube, namespace, name, **spec)
        wait_for(lambda: message in str(refused.status.get("conditions")), "the status quotes the policy")  # noqa: B023
        assert refused.jobs() == []
    as_the_operator.close()
