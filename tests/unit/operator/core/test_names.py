"""Names are valid, stable, and a run's own."""

from __future__ import annotations

import pytest

from tests.support.operator.world import a_run
from trainingrun_operator.core.names import job_name, service_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


@pytest.mark.parametrize("name", ["a", "r" * 63])
def test_the_name_of_the_service_fits(name: str) -> None:
    assert len(service_name(Run.parse(a_run(name, training={"nodes": 3})))) <= 63


@pytest.mark.parametrize("name", ["a", "r" * 63])
def test_the_host_name_of_every_shards_pod_fits(name: str) -> None:
    run = Run.parse(a_run(name, dataset={"parallelism": 64}))
    assert len(f"{job_name(run, Stage.PREPROCESS, 10)}-63") <= 63


@pytest.mark.parametrize(
    "name", ["a", "tables", "r" * 63, "with.dots." + "x" * 50, "ends-where-it-is-cut" + "-" * 20 + "y"]
)
def test_a_job_name_is_a_valid_label_and_tells_stage_and_attempt(name: str) -> None:
    found = job_name(Run.parse(a_run(name)), Stage.PREPROCESS, 12)
    assert len(found) <= 63
    assert "-preprocess-12-" in found
    assert "." not in found
    assert found[0].isalnum()
    assert found[-1].isalnum()


def test_runs_of_the_same_name_have_different_jobs() -> None:
    other = a_run()
    other["metadata"]["uid"] = "another"
    assert job_name(Run.parse(a_run()), Stage.TRAIN, 1) != job_name(Run.parse(other), Stage.TRAIN, 1)
