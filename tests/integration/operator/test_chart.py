"""The Helm chart: rendered by the real helm, held to the rules that it must keep."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.support.operator.chart import CHART, Rendered, helm, render
from tests.support.paths import CRD, REPOSITORY

pytestmark = pytest.mark.integration


def rules(rendered: Rendered) -> list[dict[str, Any]]:
    return [rule for (kind, _), item in rendered.items() if kind in ("Role", "ClusterRole") for rule in item["rules"]]


def test_the_chart_carries_the_crd_as_it_is() -> None:
    source = CRD.read_text()
    assert (CHART / "files" / "trainingruns.yaml").read_text() == source, "run 'make chart-crd'"


def test_the_chart_passes_helm_lint() -> None:
    result = subprocess.run([helm(), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_uninstall_keeps_the_crd_unless_told_otherwise() -> None:
    crd = ("CustomResourceDefinition", "trainingruns.training.badgerdoc.dev")
    assert render()[crd]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert "annotations" not in render("--set", "crds.keep=false")[crd]["metadata"]
    assert crd not in render("--set", "crds.install=false")


def test_labels_and_annotations_that_look_like_numbers_are_strings() -> None:
    values = ("podAnnotations.commit=659881", "podLabels.port=9090", "serviceAccount.annotations.yes=true")
    rendered = render(*(argument for value in values for argument in ("--set", value)))
    pod = rendered[("Deployment", "trainingrun-operator")]["spec"]["template"]["metadata"]
    account = rendered[("ServiceAccount", "trainingrun-operator")]["metadata"]
    assert pod["annotations"] == {"commit": "659881"}
    assert pod["labels"]["port"] == "9090"
    assert pod["labels"]["app.kubernetes.io/name"] == "trainingrun-operator"
    assert account["annotations"] == {"yes": "true"}


@pytest.mark.parametrize("arguments", [[], ["--set", "watchNamespace=team"]])
def test_no_role_has_a_wildcard_or_reads_secrets(arguments: list[str]) -> None:
    for rule in rules(render(*arguments)):
        assert "*" not in [*rule.get("verbs", []), *rule.get("resources", []), *rule.get("apiGroups", [])], rule
        assert "secrets" not in rule.get("resources", []), rule


def test_the_rights_are_those_of_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "operator.md").read_text()
    section = page.partition("\n## Rights\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| `(.+)` \| (.+) \|$", section, re.MULTILINE)
    documented = {
        (group.strip("`"), resource, verbs) for group, things, verbs in rows for resource in things.split("`, `")
    }
    granted = {
        ((rule.get("apiGroups") or ["(non-resource URLs)"])[0] or "core", thing, ", ".join(rule["verbs"]))
        for rule in render()[("ClusterRole", "system-trainingrun-operator-cluster")]["rules"]
        for thing in rule.get("resources") or rule["nonResourceURLs"]
    }
    assert granted == documented


def test_releases_of_the_same_name_in_two_namespaces_share_nothing_but_the_crd() -> None:
    def cluster_wide(namespace: str) -> set[tuple[str, str]]:
        rendered = render(namespace=namespace)
        return {key for key, item in rendered.items() if "namespace" not in item["metadata"]}

    shared = cluster_wide("one") & cluster_wide("two")
    assert shared == {("CustomResourceDefinition", "trainingruns.training.badgerdoc.dev")}


def test_a_watched_namespace_leaves_only_reads_cluster_wide() -> None:
    rendered = render("--set", "watchNamespace=team")
    cluster_wide = rendered[("ClusterRole", "system-trainingrun-operator-cluster")]["rules"]
    assert {verb for rule in cluster_wide for verb in rule["verbs"]} <= {"get", "list", "watch"}
    assert not any("jobs" in rule.get("resources", []) for rule in cluster_wide)
    assert rendered[("Role", "trainingrun-operator")]["metadata"]["namespace"] == "team"


def test_the_operator_pod_runs_restricted() -> None:
    pod = render()[("Deployment", "trainingrun-operator")]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_a_certificate_of_ones_own_is_used_instead_of_a_made_one() -> None:
    made = ("Secret", "trainingrun-operator-gateway")
    assert made in render()
    rendered = render("--set", "gateway.existingSecret=mine")
    assert made not in rendered
    volumes = rendered[("Deployment", "trainingrun-operator")]["spec"]["template"]["spec"]["volumes"]
    assert {"secretName": "mine"} in [volume.get("secret") for volume in volumes]


@pytest.mark.parametrize(
    "wrong",
    [
        "worker.imagePullPolicy=Sometimes",
        "gateway.port=0",
        "replicas=2",
        "progress.intervalSeconds=1.5",
        "progress.intervalSeconds=3601",
        "watchNamespace=Team",
        "watchNamespace=one\\,two",
    ],
)
def test_a_value_that_the_schema_does_not_know_is_refused(wrong: str) -> None:
    command = [helm(), "template", "x", str(CHART), "--set", wrong]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert wrong.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr
