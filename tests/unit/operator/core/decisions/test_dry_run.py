"""What is tried before a run starts, and which runs are alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import DEFAULTS, a_run
from trainingrun_operator.core.decisions.dry_run import objects_to_try
from trainingrun_operator.core.plan import CreateError, Observed, Trial
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


def tried(name: str = "tables", uid: str = "1", namespace: str = "demo", **spec: Any) -> tuple[Trial, ...]:
    body = a_run(name, **spec)
    body["metadata"] |= {"uid": uid, "namespace": namespace}
    found = objects_to_try(Observed(run=Run.parse(body), defaults=DEFAULTS))
    assert not isinstance(found, CreateError)
    return found


def digests(*args: Any, **spec: Any) -> list[str]:
    return [trial.digest for trial in tried(*args, **spec)]


def test_the_first_job_of_each_stage_is_tried_as_it_will_be_made() -> None:
    preprocess, train = (trial.manifest for trial in tried("tables"))
    assert preprocess["metadata"]["name"].startswith("tables-preprocess-1-")
    assert train["metadata"]["name"].startswith("tables-train-1-")
    assert preprocess["metadata"]["ownerReferences"][0]["name"] == "tables"


def test_a_training_over_several_nodes_tries_its_service_too() -> None:
    assert [trial.manifest["kind"] for trial in tried(training={"nodes": 2})] == ["Job", "Job", "Service"]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "2026.others", "uid": "2"},
        {"dataset": {"sourceFolder": "a", "targetFolder": "b"}},
        {"training": {"modelOutput": "s3://tables/another.pth", "epochs": 9}},
        {"storage": {"endpoint": "https://another.example"}},
    ],
)
@pytest.mark.parametrize("nodes", [1, 2])
def test_runs_that_differ_in_names_and_addresses_are_alike(other: dict[str, Any], nodes: int) -> None:
    both: dict[str, Any] = {"training": {"nodes": nodes}}
    changed = {**other, "training": {**both["training"], **other.get("training", {})}}
    assert digests(**both) == digests(**changed)


@pytest.mark.parametrize(
    "other",
    [
        {"namespace": "another"},
        {"image": "another:1"},
        {"serviceAccountName": "trainer"},
        {"storage": {"credentialsSecret": "other"}},
        {"training": {"nodes": 2}},
        {"training": {"gpusPerNode": 2}},
        {"training": {"podTemplate": {"labels": {"team": "a"}}}},
        {"training": {"podTemplate": {"env": [{"name": "A", "value": "1"}]}}},
        {"training": {"podTemplate": {"resources": {"requests": {"memory": "4Gi"}}}}},
        {"training": {"podTemplate": {"tolerations": [{"operator": "Exists"}]}}},
    ],
)
def test_runs_that_differ_in_what_decides_are_not(other: dict[str, Any]) -> None:
    assert digests()[1] != digests(**other)[1]


def test_what_can_not_be_written_down_is_told_with_its_stage() -> None:
    run = Run.parse(a_run(training={"podTemplate": {"resources": {"limits": {"memory": "lots"}}}}))
    error = objects_to_try(Observed(run=run, defaults=DEFAULTS))
    assert isinstance(error, CreateError)
    assert (error.stage, error.permanent) == (Stage.TRAIN, True)
