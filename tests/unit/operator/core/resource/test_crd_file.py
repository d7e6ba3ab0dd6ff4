"""The CRD against itself and against the models that read it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from tests.support.operator.world import DEFAULTS, SPEC, a_run
from tests.support.paths import CRD
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.resource import pod_template, spec, status
from trainingrun_operator.core.resource.run import Run

Schema = dict[str, Any]
STAGE_TEMPLATES = [("preprocess", "podTemplate"), ("training", "podTemplate")]


@functools.cache
def schema() -> Schema:
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def nodes(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        if path or name in ("spec", "status"):
            yield from nodes(child, f"{path}.{name}")
    if isinstance(node.get("items"), dict):
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from nodes(node["additionalProperties"], f"{path}{{}}")


def test_every_field_has_a_description() -> None:
    assert [path for path, node in nodes(schema()) if not node.get("description")] == []


def test_every_string_list_and_map_has_a_limit() -> None:
    unlimited = [
        path
        for path, node in nodes(schema())
        if (node.get("type") == "string" and not ("maxLength" in node or "enum" in node))
        or (node.get("type") == "array" and "maxItems" not in node)
        or ("additionalProperties" in node and "maxProperties" not in node)
    ]
    assert unlimited == []


def test_every_rule_has_a_message() -> None:
    rules = [rule for _, node in nodes(schema()) for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) > 20
    assert all(rule["message"] for rule in rules)


def defaulted(node: Schema, value: Any) -> Any:
    """As the API server fills in defaults."""
    if node.get("type") != "object" or not isinstance(value, dict):
        return value
    result = dict(value)
    for name, child in node.get("properties", {}).items():
        if name not in result and "default" in child:
            result[name] = child["default"]
        if name in result:
            result[name] = defaulted(child, result[name])
    return result


def test_the_models_have_the_same_defaults_as_the_crd() -> None:
    filled = defaulted(schema()["properties"]["spec"], SPEC)
    assert spec.Spec.model_validate(filled) == spec.Spec.model_validate(SPEC)


def fields(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def properties(*path: str) -> set[str]:
    node = schema()
    for name in path:
        node = node["properties"][name]
        node = node.get("items", node)
    return set(node["properties"])


def test_the_models_know_every_field_of_the_crd_and_no_other() -> None:
    pairs: list[tuple[type[BaseModel], tuple[str, ...]]] = [
        (spec.Spec, ("spec",)),
        (spec.Storage, ("spec", "storage")),
        (spec.Sse, ("spec", "storage", "sse")),
        (spec.Dataset, ("spec", "dataset")),
        (spec.Split, ("spec", "dataset", "split")),
        (spec.Training, ("spec", "training")),
        (spec.Preprocess, ("spec", "preprocess")),
        (spec.CaBundle, ("spec", "storage", "caBundleConfigMap")),
        (pod_template.PodTemplate, ("spec", "training", "podTemplate")),
        (pod_template.PodTemplate, ("spec", "preprocess", "podTemplate")),
        (pod_template.Resources, ("spec", "training", "podTemplate", "resources")),
        (pod_template.ContainerClaim, ("spec", "training", "podTemplate", "resources", "claims")),
        (pod_template.ResourceClaim, ("spec", "training", "podTemplate", "resourceClaims")),
        (pod_template.Variable, ("spec", "training", "podTemplate", "env")),
        (pod_template.Volume, ("spec", "training", "podTemplate", "volumes")),
        (pod_template.VolumeMount, ("spec", "training", "podTemplate", "volumeMounts")),
        (pod_template.InitContainer, ("spec", "training", "podTemplate", "initContainers")),
        (pod_template.Variable, ("spec", "training", "podTemplate", "initContainers", "env")),
        (spec.ConfigMapKey, ("spec", "training", "configMap")),
        (spec.Checkpoints, ("spec", "checkpoints")),
        (spec.Retry, ("spec", "retry")),
        (spec.TimeToLive, ("spec", "ttlSecondsAfterFinished")),
        (spec.OnOOM, ("spec", "retry", "onOOM")),
        (spec.Deadlines, ("spec", "deadlines")),
        (spec.Review, ("spec", "review")),
        (spec.Gpu, ("spec", "gpu")),
        (status.Status, ("status",)),
        (status.Condition, ("status", "conditions")),
        (status.Attempts, ("status", "attempts")),
        (status.Usage, ("status", "usage")),
        (status.JobRecord, ("status", "jobs")),
        (status.LastFailure, ("status", "lastFailure")),
        (status.PublishedDataset, ("status", "dataset")),
        (status.PublishedModel, ("status", "model")),
        (status.Progress, ("status", "progress")),
        (status.Device, ("status", "progress", "device")),
        (status.BaseWeights, ("status", "progress", "baseWeights")),
        (status.ResumePoint, ("status", "resumePoints")),
        (status.ResumePoint, ("status", "bestCheckpoint")),
    ]
    for model, path in pairs:
        assert fields(model) == properties(*path), path


MUTABLE = {".suspend", ".ttlSecondsAfterFinished", ".retry.limit", ".deadlines", ".review.approved"}


def unheld(node: Schema, path: str, rules: str) -> Iterator[str]:
    """The fields that no rule holds, neither by themselves nor with all that they are part of."""
    if f"self.spec{path} == oldSelf.spec{path}" in rules:
        return
    children = node.get("properties", {})
    if not children or path in MUTABLE:
        yield path
    for name, child in children.items() if path not in MUTABLE else ():
        yield from unheld(child, f"{path}.{name}", rules)


def test_a_field_of_the_spec_is_immutable_unless_it_says_otherwise() -> None:
    rules = " ".join(rule["rule"] for rule in schema()["x-kubernetes-validations"])
    assert set(unheld(schema()["properties"]["spec"], "", rules)) == MUTABLE


def test_both_stages_have_the_same_pod_template() -> None:
    spec_of = schema()["properties"]["spec"]["properties"]
    preprocess, training = (spec_of[stage]["properties"]["podTemplate"] for stage in ("preprocess", "training"))
    assert preprocess == training


def rules(*path: str) -> str:
    """All rules of a field in one text."""
    node = schema()["properties"]["spec"]
    for name in path:
        node = node["properties"][name] if name != "[]" else node["items"]
    return " ".join(rule["rule"] for rule in node["x-kubernetes-validations"])


def of_the_operator(stage: status.Stage) -> dict[str, Any]:
    """The spec of a pod that has everything of the operator's own."""
    everything = a_run(
        storage={"region": "eu", "sse": {"type": "aws:kms", "kmsKeyId": "k"}, "caBundleConfigMap": {"name": "ca"}},
        dataset={"passwordsSecret": "passwords"},
        training={"nodes": 2, "configMap": {"name": "configs", "key": "a.py"}},
    )
    found: dict[str, Any] = build_job(Run.parse(everything), stage, 1, DEFAULTS)["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("stage", [status.Stage.PREPROCESS, status.Stage.TRAIN])
def test_what_the_operator_sets_itself_is_refused_by_name(stage: status.Stage) -> None:
    pod = of_the_operator(stage)
    [worker] = pod["containers"]
    variables, volumes = rules("training", "podTemplate", "env"), rules("training", "podTemplate", "volumes")
    names = {entry["name"] for entry in worker["env"] if not entry["name"].startswith("TRAINING_")}
    assert {name for name in names if f"'{name}'" not in variables} == set()
    assert {volume["name"] for volume in pod["volumes"] if f"'{volume['name']}'" not in volumes} == set()
    mounts = rules("training", "podTemplate", "volumeMounts", "[]", "mountPath")
    below = re.compile("^((/var)?/run/secrets/trainingrun|/etc/trainingrun)")
    assert below.pattern in mounts
    paths = {mount["mountPath"] for mount in worker["volumeMounts"]}
    assert {path for path in paths if f"'{path}'" not in mounts and not below.match(path)} == set()


@pytest.mark.parametrize("path", [("preprocess",), ("training",), *STAGE_TEMPLATES])
def test_everything_of_a_stage_but_its_resources_is_immutable_after_the_start(path: tuple[str, ...]) -> None:
    prefix = ".".join(("spec", *path))
    [rule] = [rule for rule in schema()["x-kubernetes-validations"] if rule.get("fieldPath") == f".{prefix}"]
    fields = properties("spec", *path) - {"podTemplate", "resources"}
    assert {name for name in fields if f"self.{prefix}.{name} == oldSelf.{prefix}.{name}" not in rule["rule"]} == set()


def test_the_crd_is_small_enough_for_kubectl_apply() -> None:
    crd = json.dumps(yaml.safe_load(CRD.read_text()), separators=(",", ":"))
    assert len(crd) < 256 * 1024, "kubectl keeps it in an annotation"


def test_the_status_has_room_for_as_many_as_are_kept() -> None:
    fields_of_status = schema()["properties"]["status"]["properties"]
    assert fields_of_status["excludedNodes"]["maxItems"] == status.MAX_EXCLUDED_NODES
    assert fields_of_status["jobs"]["maxItems"] == status.MAX_JOBS


def test_the_phases_and_stages_are_those_of_the_crd() -> None:
    properties_of_status = schema()["properties"]["status"]["properties"]
    assert properties_of_status["phase"]["enum"] == [str(phase) for phase in status.Phase]
    assert properties_of_status["stage"]["enum"] == [str(stage) for stage in status.Stage]
