"""The Helm chart: rendered by the real helm, held to the rules that it must keep."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "trainingrun-operator"
Rendered = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def helm() -> str:
    binaries = subprocess.check_output([REPOSITORY / "hack" / "cluster" / "build-binaries.sh"], text=True).strip()
    return f"{binaries}/helm"


def render(helm: str, *arguments: str) -> Rendered:
    """The chart's objects by (kind, name)."""
    command = [helm, "template", "trainingrun-operator", str(CHART), "--namespace", "system", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(result.stdout) if item}


def rules(rendered: Rendered) -> list[dict[str, Any]]:
    return [rule for (kind, _), item in rendered.items() if kind in ("Role", "ClusterRole") for rule in item["rules"]]


def test_the_chart_carries_the_crd_as_it_is() -> None:
    source = (REPOSITORY / "crds" / "trainingruns.yaml").read_text()
    assert (CHART / "files" / "trainingruns.yaml").read_text() == source, "run 'make chart-crd'"


def test_the_chart_passes_helm_lint(helm: str) -> None:
    result = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_uninstall_keeps_the_crd_unless_told_otherwise(helm: str) -> None:
    crd = ("CustomResourceDefinition", "trainingruns.training.badgerdoc.dev")
    assert render(helm)[crd]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "annotations" not in render(helm, "--set", "crds.keep=false")[crd]["metadata"]
    assert crd not in render(helm, "--set", "crds.install=false")


@pytest.mark.parametrize("arguments", [[], ["--set", "watchNamespace=team"]])
def test_no_role_has_a_wildcard_or_reads_secrets(helm: str, arguments: list[str]) -> None:
    for rule in rules(render(helm, *arguments)):
        assert "*" not in [*rule.get("verbs", []), *rule.get("resources", []), *rule.get("apiGroups", [])], rule
        assert "secrets" not in rule.get("resources", []), rule


def test_a_watched_namespace_leaves_only_reads_cluster_wide(helm: str) -> None:
    rendered = render(helm, "--set", "watchNamespace=team")
    cluster_wide = rendered[("ClusterRole", "trainingrun-operator-cluster")]["rules"]
    assert {verb for rule in cluster_wide for verb in rule["verbs"]} <= {"get", "list", "watch"}
    assert not any("jobs" in rule.get("resources", []) for rule in cluster_wide)
    assert rendered[("Role", "trainingrun-operator")]["metadata"]["namespace"] == "team"


def test_the_operator_pod_runs_restricted(helm: str) -> None:
    pod = render(helm)[("Deployment", "trainingrun-operator")]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_a_certificate_of_ones_own_is_used_instead_of_a_made_one(helm: str) -> None:
    made = ("Secret", "trainingrun-operator-gateway")
    assert made in render(helm)
    rendered = render(helm, "--set", "gateway.existingSecret=mine")
    assert made not in rendered
    volumes = rendered[("Deployment", "trainingrun-operator")]["spec"]["template"]["spec"]["volumes"]
    assert {"secretName": "mine"} in [volume.get("secret") for volume in volumes]


@pytest.mark.parametrize("wrong", ["worker.imagePullPolicy=Sometimes", "gateway.port=0", "replicas=2"])
def test_a_value_that_the_schema_does_not_know_is_refused(helm: str, wrong: str) -> None:
    command = [helm, "template", "x", str(CHART), "--set", wrong]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert wrong.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr
