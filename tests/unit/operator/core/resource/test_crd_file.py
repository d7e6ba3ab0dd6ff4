"""The CRD against itself and against the models that read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from tests.support.operator.world import DEFAULTS, SPEC, a_run
from tests.support.paths import CRD
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.resource import spec, status
from trainingrun_operator.core.resource.run import Run

Schema = dict[str, Any]


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
        (spec.Variable, ("spec", "training", "podTemplate", "env")),
        (spec.PodTemplate, ("spec", "training", "podTemplate")),
        (spec.PodTemplate, ("spec", "preprocess", "podTemplate")),
        (spec.ConfigMapKey, ("spec", "training", "configMap")),
        (spec.Checkpoints, ("spec", "checkpoints")),
        (spec.Retry, ("spec", "retry")),
        (spec.OnOOM, ("spec", "retry", "onOOM")),
        (spec.Deadlines, ("spec", "deadlines")),
        (spec.Review, ("spec", "review")),
        (spec.Gpu, ("spec", "gpu")),
        (status.Status, ("status",)),
        (status.Condition, ("status", "conditions")),
        (status.Attempts, ("status", "attempts")),
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


def test_both_stages_have_the_same_pod_template() -> None:
    spec_of = schema()["properties"]["spec"]["properties"]
    preprocess, training = (spec_of[stage]["properties"]["podTemplate"] for stage in ("preprocess", "training"))
    assert preprocess == training


def test_a_variable_that_the_operator_sets_is_refused_by_name() -> None:
    spec_of = schema()["properties"]["spec"]["properties"]
    [rule] = spec_of["training"]["properties"]["podTemplate"]["properties"]["env"]["x-kubernetes-validations"]
    everything = a_run(storage={"region": "eu", "sse": {"type": "aws:kms", "kmsKeyId": "k"}}, training={"nodes": 2})
    job = build_job(Run.parse(everything), status.Stage.TRAIN, 1, DEFAULTS)
    names = {entry["name"] for entry in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert {name for name in names if f"'{name}'" not in rule["rule"] and not name.startswith("TRAINING_")} == set()


def test_the_status_has_room_for_as_many_excluded_nodes_as_are_kept() -> None:
    assert schema()["properties"]["status"]["properties"]["excludedNodes"]["maxItems"] == status.MAX_EXCLUDED_NODES


def test_the_phases_and_stages_are_those_of_the_crd() -> None:
    properties_of_status = schema()["properties"]["status"]["properties"]
    assert properties_of_status["phase"]["enum"] == [str(phase) for phase in status.Phase]
    assert properties_of_status["stage"]["enum"] == [str(stage) for stage in status.Stage]
