"""The operator with the rights that the chart gives it and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.chart import render
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def named(kind: str, name: str, **fields: object) -> Object:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **fields}


def bound(kind: str, name: str, role: str, namespace: str) -> Object:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    return named(kind, name, roleRef=reference, subjects=[subject])


@pytest.fixture
def limited_kubeconfig(kube: Kube, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of a service account that may do what the chart's roles say."""
    rendered = render("--set", f"watchNamespace={namespace}")
    in_the_namespace = rendered[("Role", "trainingrun-operator")]["rules"]
    cluster_wide = rendered[("ClusterRole", "system-trainingrun-operator-cluster")]["rules"]
    account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    kube.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    kube.create(f"{RBAC}/namespaces/{namespace}/roles", named("Role", namespace, rules=in_the_namespace))
    kube.create(f"{RBAC}/namespaces/{namespace}/rolebindings", bound("RoleBinding", namespace, "Role", namespace))
    kube.create(f"{RBAC}/clusterroles", named("ClusterRole", namespace, rules=cluster_wide))
    binding = bound("ClusterRoleBinding", namespace, "ClusterRole", namespace)
    kube.create(f"{RBAC}/clusterrolebindings", binding)
    request: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/operator/token"
    token = kube.create(path, request)["status"]["token"]
    config = yaml.safe_load(kube.kubeconfig.read_text())
    context = next(c for c in config["contexts"] if c["name"] == config["current-context"])["context"]
    config["users"] = [{"name": context["user"], "user": {"token": token}}]
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    yield file
    kube.delete(f"{RBAC}/clusterrolebindings/{namespace}")
    kube.delete(f"{RBAC}/clusterroles/{namespace}")


def test_the_charts_rights_are_enough(
    kube: Kube, namespace: str, limited_kubeconfig: Path, gateway_tls: Path, tmp_path: Path
) -> None:
    operator = OperatorProcess(limited_kubeconfig, namespace, gateway_tls, log=tmp_path / "operator.log")
    operator.start()
    try:
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
        assert "orbidden" not in operator.log, operator.log
    finally:
        operator.kill()
