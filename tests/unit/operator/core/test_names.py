"""Names are valid, stable, and a run's own."""

from __future__ import annotations

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.support.operator.world import DEFAULTS, a_run
from trainingrun_operator.core.jobs.pod.pod import build_pod_spec
from trainingrun_operator.core.names import job_name, service_name
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


@pytest.mark.parametrize("name", ["a", "r" * 63])
def test_the_name_of_the_service_fits(name: str) -> None:
    assert len(service_name(Run.parse(a_run(name, training={"nodes": 3})))) <= 63


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", fullmatch=True))
def test_the_service_of_every_run_has_a_name_that_dns_takes(name: str) -> None:
    found = service_name(Run.parse(a_run(name[:63].rstrip(".-"), training={"nodes": 3})))
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", found), "an RFC 1035 label, as a Service needs it"
    assert len(found) <= 63


def test_the_nodes_of_a_training_look_for_the_first_one_where_the_service_is() -> None:
    run = Run.parse(a_run("2026-tables", training={"nodes": 2}))
    pod = build_pod_spec(run, Stage.TRAIN, 1, DEFAULTS, resume_from="auto")
    assert pod["subdomain"] == "run-2026-tables-train-666ff6cc"
    address = {"name": "MASTER_ADDR", "value": "2026-tables-train-1-666ff6cc-0.run-2026-tables-train-666ff6cc"}
    assert address in pod["containers"][0]["env"]


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
