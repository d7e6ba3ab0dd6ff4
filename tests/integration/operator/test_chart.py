"""The Helm chart: rendered by the real helm, held to the rules that it must keep."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.operator.chart import CHART, IMAGES, Rendered, helm, render, template
from tests.support.operator.security_page import Right, documented
from tests.support.paths import CRD
from trainingrun_operator.core.names import LABEL_RUN_UID

pytestmark = pytest.mark.integration

DEPLOYMENT = ("Deployment", "trainingrun-operator")


def rules(rendered: Rendered) -> list[dict[str, Any]]:
    return [rule for (kind, _), item in rendered.items() if kind in ("Role", "ClusterRole") for rule in item["rules"]]


def operator_pod(*arguments: str) -> dict[str, Any]:
    """The Deployment's pod template."""
    pod: dict[str, Any] = render(*arguments)[DEPLOYMENT]["spec"]["template"]
    return pod


def operator_image(*arguments: str) -> str:
    image: str = operator_pod(*arguments)["spec"]["containers"][0]["image"]
    return image


def values_file(tmp_path: Path, values: dict[str, Any]) -> tuple[str, str]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return "--values", str(file)


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


@pytest.mark.parametrize("tag", ["1", "0", "20261127", "9876543210987654", "1.10", "007", "true", "659881e7"])
def test_a_tag_on_the_command_line_stays_as_it_was_written(tag: str) -> None:
    assert operator_image("--set", f"image.tag={tag}") == f"registry.test/operator:{tag}"


@pytest.mark.parametrize("tag", [1, 20261127, 20261127204500, "1.10"])
def test_a_tag_in_a_values_file_stays_as_it_was_written(tag: str | int, tmp_path: Path) -> None:
    assert operator_image(*values_file(tmp_path, {"image": {"tag": tag}})) == f"registry.test/operator:{tag}"


@pytest.mark.parametrize(("tag", "message"), [(1.1, "/image/tag"), (20261127204500123, "write it in quotes")])
def test_a_tag_that_yaml_has_changed_already_is_refused(tag: float, message: str, tmp_path: Path) -> None:
    result = template(*IMAGES, *values_file(tmp_path, {"image": {"tag": tag}}))
    assert result.returncode != 0
    assert message in result.stderr


def test_without_a_tag_the_image_is_that_of_the_chart() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert operator_image() == operator_image("--set", "image.tag=null") == f"registry.test/operator:{version}"


def test_a_digest_takes_the_place_of_the_tag() -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    image = operator_image("--set", "image.tag=1", "--set", f"image.digest={digest}")
    assert image == f"registry.test/operator@{digest}"


@pytest.mark.parametrize(
    ("arguments", "image"), [((), ""), (("--set", "worker.preprocessImage=r.test/slim:1"), "r.test/slim:1")]
)
def test_preprocess_has_an_image_of_its_own_only_where_one_is_named(arguments: tuple[str, ...], image: str) -> None:
    variables = operator_pod(*arguments)["spec"]["containers"][0]["env"]
    assert {"name": "DEFAULT_PREPROCESS_IMAGE", "value": image} in variables


@pytest.mark.parametrize("number", ["2026", "20261127", "0"])
def test_names_that_look_like_numbers_are_strings(number: str) -> None:
    names = ("watchNamespace", "gateway.existingSecret", "priorityClassName", "imagePullSecrets[0].name")
    images = ("worker.image", "worker.preprocessImage")
    arguments = [argument for name in (*names, *images) for argument in ("--set", f"{name}={number}")]
    rendered = render(*arguments, namespace=number)
    pod = rendered[DEPLOYMENT]["spec"]["template"]["spec"]
    assert {"secretName": number} in [volume.get("secret") for volume in pod["volumes"]]
    assert pod["priorityClassName"] == number
    assert pod["imagePullSecrets"] == [{"name": number}]
    environment = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
    for variable in ("WATCH_NAMESPACE", "DEFAULT_WORKER_IMAGE", "DEFAULT_PREPROCESS_IMAGE"):
        assert environment[variable] == number
    assert {item["metadata"]["namespace"] for item in rendered.values() if "namespace" in item["metadata"]} == {number}


def test_a_release_may_be_called_what_yaml_takes_for_a_truth() -> None:
    command = [helm(), "template", "on", str(CHART), *IMAGES]
    rendered = list(yaml.safe_load_all(subprocess.check_output(command, text=True)))
    labels = [item["metadata"]["labels"] for item in rendered if "labels" in item["metadata"]]
    assert {label["app.kubernetes.io/instance"] for label in labels} == {"on"}


@pytest.mark.parametrize("from_file", [False, True])
def test_what_the_scheduler_compares_is_text(from_file: bool, tmp_path: Path) -> None:
    selector = {"gpu": True, "rack": 20261127}
    toleration = {
        "key": "spot",
        "operator": "Equal",
        "value": True,
        "effect": "NoExecute",
        "tolerationSeconds": 20261127,
    }
    expression = {"key": "rack", "operator": "In", "values": [20261127]}
    preferred = [{"weight": 50, "preference": {"matchExpressions": [expression]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    values = {"nodeSelector": selector, "tolerations": [toleration], "affinity": affinity}
    arguments = (
        values_file(tmp_path, values)
        if from_file
        else [argument for name, value in values.items() for argument in ("--set-json", f"{name}={json.dumps(value)}")]
    )
    pod = operator_pod(*arguments)["spec"]
    assert pod["nodeSelector"] == {"gpu": "true", "rack": "20261127"}
    assert pod["tolerations"] == [{**toleration, "value": "true"}]
    rendered = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert rendered == [{"weight": 50, "preference": {"matchExpressions": [{**expression, "values": ["20261127"]}]}}]


def test_a_label_that_dots_have_split_is_refused_by_name() -> None:
    result = template(*IMAGES, "--set", "podAnnotations.prometheus.io/scrape=true")
    assert result.returncode != 0
    assert "/podAnnotations/prometheus" in result.stderr


@pytest.mark.parametrize("label", ["app.kubernetes.io/name", "app.kubernetes.io/instance"])
def test_a_pod_label_by_which_the_deployment_finds_its_pod_is_refused(label: str) -> None:
    escaped = label.replace(".", "\\.")
    result = template(*IMAGES, "--set", f"podLabels.{escaped}=other")
    assert result.returncode != 0
    assert f"podLabels sets {label}" in result.stderr


def test_other_labels_of_the_pod_may_be_changed() -> None:
    labels = operator_pod("--set", "podLabels.app\\.kubernetes\\.io/version=mine")["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "mine"
    assert labels["app.kubernetes.io/instance"] == "trainingrun-operator"


@pytest.mark.parametrize(("given", "missing"), [(IMAGES[2:], "image.repository"), (IMAGES[:2], "worker.image")])
def test_an_image_that_nobody_named_is_asked_for_in_a_sentence(given: tuple[str, ...], missing: str) -> None:
    result = template(*given)
    assert result.returncode != 0
    assert f"{missing} is not set: name the " in result.stderr
    assert f"--set {missing}=<registry>/" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--set", "watchNamespace=team"]])
def test_no_role_has_a_wildcard_or_reads_secrets(arguments: list[str]) -> None:
    for rule in rules(render(*arguments)):
        assert "*" not in [*rule.get("verbs", []), *rule.get("resources", []), *rule.get("apiGroups", [])], rule
        assert "secrets" not in rule.get("resources", []), rule


@pytest.mark.parametrize("arguments", [[], ["--set", "watchNamespace=team"]])
def test_the_rights_are_those_of_the_documentation(arguments: list[str]) -> None:
    rendered = render(*arguments)
    of_the_operator = {
        item["roleRef"]["name"] for (kind, _), item in rendered.items() if kind in ("RoleBinding", "ClusterRoleBinding")
    }
    granted = {
        Right(f"{thing}.{group}" if group else thing, name, " ".join(rule["verbs"]))
        for (kind, role), item in rendered.items()
        if kind in ("Role", "ClusterRole") and role in of_the_operator
        for rule in item["rules"]
        for group in rule.get("apiGroups", [""])
        for thing in rule.get("resources") or rule["nonResourceURLs"]
        for name in rule.get("resourceNames", [""])
    }
    # `kubectl` writes the group before the subresource's slash.
    own, _ = documented()
    assert granted == {Right(_with_group_last(right.what), right.name, right.verbs) for right in own}


def _with_group_last(what: str) -> str:
    return re.sub(r"^(\w+)\.([\w.]+)/(\w+)$", r"\1/\3.\2", what)


def test_the_rights_to_kueues_workloads_come_with_its_value_alone() -> None:
    more = [rule for rule in rules(render("--set", "kueue.enabled=true")) if rule not in rules(render())]
    verbs = ["get", "list", "watch", "patch"]
    assert more == [{"apiGroups": ["kueue.x-k8s.io"], "resources": ["workloads"], "verbs": verbs}]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_the_operator_knows_whether_it_may_follow_kueue(enabled: str) -> None:
    variables = operator_pod("--set", f"kueue.enabled={enabled}")["spec"]["containers"][0]["env"]
    assert {"name": "KUEUE_ENABLED", "value": enabled} in variables


def test_releases_of_the_same_name_in_two_namespaces_share_nothing_but_the_crd() -> None:
    def cluster_wide(namespace: str) -> set[tuple[str, str]]:
        rendered = render(namespace=namespace)
        return {key for key, item in rendered.items() if "namespace" not in item["metadata"]}

    shared = cluster_wide("one") & cluster_wide("two")
    assert shared == {("CustomResourceDefinition", "trainingruns.training.badgerdoc.dev")}


def test_the_operators_of_a_release_share_a_lease_of_its_own() -> None:
    for namespace in ("one", "two"):
        rendered = render("--set", "replicas=2", namespace=namespace)
        deployment = rendered[DEPLOYMENT]["spec"]
        variables = {each["name"]: each.get("value") for each in deployment["template"]["spec"]["containers"][0]["env"]}
        role = rendered[("Role", "trainingrun-operator-leader")]
        assert deployment["replicas"] == 2
        assert variables["LEASE_NAMESPACE"] == role["metadata"]["namespace"] == namespace
        assert [variables["LEASE_NAME"]] == role["rules"][1]["resourceNames"]


def test_a_rolling_update_has_the_next_one_ready_before_the_leader_ends() -> None:
    assert render()[DEPLOYMENT]["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


@pytest.mark.parametrize(("replicas", "spread"), [(1, False), (2, True)])
def test_several_operators_are_spread_over_the_nodes(replicas: int, spread: bool) -> None:
    pod = operator_pod("--set", f"replicas={replicas}")
    assert ("topologySpreadConstraints" in pod["spec"]) is spread
    if spread:
        (constraint,) = pod["spec"]["topologySpreadConstraints"]
        assert constraint["topologyKey"] == "kubernetes.io/hostname"
        assert constraint["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


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
        "metrics.port=80",
        "metrics.port=8443",
        "networkPolicy.metricsFrom=anybody",
        "replicas=-1",
        "operators=2",
        "progress.intervalSeconds=1.5",
        "progress.intervalSeconds=3601",
        "watchNamespace=Team",
        "watchNamespace=one\\,two",
        "image.digest=latest",
    ],
)
def test_a_value_that_the_schema_does_not_know_is_refused(wrong: str) -> None:
    result = template(*IMAGES, "--set", wrong)
    assert result.returncode != 0
    assert wrong.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in result.stderr


def test_nobody_reaches_the_gateway_but_the_pods_that_the_operator_makes() -> None:
    spec = render()[("NetworkPolicy", "trainingrun-operator")]["spec"]
    pod = operator_pod()
    assert spec["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress"]
    gateway, metrics = spec["ingress"]
    labelled = {"matchExpressions": [{"key": LABEL_RUN_UID, "operator": "Exists"}]}
    assert gateway == {"from": [{"namespaceSelector": {}, "podSelector": labelled}], "ports": [{"port": "progress"}]}
    assert metrics == {"ports": [{"port": "metrics"}]}, "everybody, unless a value says who"


def test_who_may_read_the_metrics_is_a_value() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    rendered = render("--set-json", f"networkPolicy.metricsFrom={json.dumps(peers)}")
    assert rendered[("NetworkPolicy", "trainingrun-operator")]["spec"]["ingress"][1]["from"] == peers


def test_the_network_policy_can_be_left_out() -> None:
    assert ("NetworkPolicy", "trainingrun-operator") not in render("--set", "networkPolicy.enabled=false")


@pytest.mark.parametrize(("arguments", "port"), [((), 8080), (("--set", "metrics.port=9090"), 9090)])
def test_metrics_and_probes_have_a_port_of_their_own(arguments: tuple[str, ...], port: int) -> None:
    container = operator_pod(*arguments)["spec"]["containers"][0]
    assert {"name": "METRICS_PORT", "value": str(port)} in container["env"]
    assert {"name": "metrics", "containerPort": port} in container["ports"]
    for probe in (container["readinessProbe"], container["livenessProbe"]):
        assert probe["httpGet"] == {"path": "/healthz", "port": "metrics"}
    service = render(*arguments)[("Service", "trainingrun-operator")]
    assert {"name": "metrics", "port": port, "targetPort": "metrics"} in service["spec"]["ports"]
    assert "annotations" not in service["metadata"]


def test_prometheus_finds_the_service_by_annotations_where_a_value_says_so() -> None:
    rendered = render("--set", "metrics.scrapeAnnotations=true", "--set", "metrics.port=9090")
    annotations = rendered[("Service", "trainingrun-operator")]["metadata"]["annotations"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9090",
        "prometheus.io/path": "/metrics",
    }
