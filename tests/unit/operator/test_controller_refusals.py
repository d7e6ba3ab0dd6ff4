"""What the API server does not take: tried before a run starts, and met after it."""

from __future__ import annotations

import pytest

from tests.support.operator.fake_operator import Operator
from tests.support.operator.world import World
from trainingrun_operator.core.errors import (
    ClusterError,
    InvalidError,
    RefusedError,
    TransientError,
)
from trainingrun_operator.core.resource.status import Phase

JOB = "tables-preprocess-1-666ff6cc"


async def test_the_jobs_are_tried_before_the_start_is_stored_and_that_before_the_first_is_made() -> None:
    operator = Operator()
    await operator.comes_to_rest()
    assert operator.cluster.calls == ["dry_run", "dry_run", "apply_status", "create_job", "apply_status"]


async def test_what_is_tried_is_the_first_job_of_each_stage_and_the_service_between_nodes() -> None:
    operator = Operator(World(training={"nodes": 2}))
    await operator.visits()
    assert operator.cluster.tried == [JOB, "tables-train-1-666ff6cc", "tables-train-666ff6cc"]
    assert operator.world.status.start_time is not None


@pytest.mark.parametrize("taken", [0, 1])
async def test_a_run_that_can_never_be_made_waits_for_an_edit_and_goes_on_with_it(taken: int) -> None:
    operator = Operator()
    operator.cluster.taken_before_faults = taken
    causes = (("spec.template.spec.containers[0].resources.requests", "must be less than the limit"),)
    operator.cluster.faults["dry_run"] = [InvalidError("the Job is invalid", causes)]
    assert await operator.visits() is None, "only an edit changes anything"
    part = ["preprocess", "training"][taken]
    assert (operator.world.status.phase, operator.world.reason) == (Phase.PENDING, "JobRejected")
    assert f"spec.{part}.podTemplate.resources.requests: must be less than the limit" in operator.world.message
    assert operator.world.status.start_time is None
    assert operator.world.created == []
    assert operator.events == ["JobRejected"]
    operator.world.changes_spec(training={"epochs": 4})
    operator.sees_everything()
    await operator.comes_to_rest()
    assert operator.world.status.start_time is not None
    assert len(operator.world.created) == 1


async def test_a_second_edit_that_is_wrong_too_is_told_of_again() -> None:
    operator = Operator()
    operator.cluster.faults["dry_run"] = [InvalidError("no"), InvalidError("no")]
    await operator.visits()
    operator.world.changes_spec(training={"epochs": 4})
    operator.sees_everything()
    await operator.visits()
    assert operator.events == ["JobRejected", "JobRejected"]
    assert operator.world.status.observed_generation == 2


async def test_what_is_refused_before_the_start_is_tried_again_less_and_less_often() -> None:
    operator = Operator()
    refusals: list[ClusterError] = [RefusedError("exceeded quota") for _ in range(7)]
    operator.cluster.faults["dry_run"] = refusals
    waits = [await operator.visits() for _ in range(7)]
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert (operator.world.status.phase, operator.world.reason) == (Phase.PENDING, "JobRejected")
    assert operator.cluster.calls.count("apply_status") == 1, "the same refusal is written once"
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1


async def test_a_fault_of_the_dry_run_says_nothing_of_the_run() -> None:
    operator = Operator()
    operator.cluster.faults["dry_run"] = [TransientError("down")]
    with pytest.raises(TransientError):
        await operator.visits()
    assert "status" not in operator.world.run
    await operator.comes_to_rest()
    assert len(operator.world.created) == 1


async def test_a_suspended_run_is_tried_when_it_is_resumed() -> None:
    operator = Operator(World(suspend=True))
    await operator.comes_to_rest()
    assert operator.cluster.tried == []
    operator.world.changes_spec(suspend=False)
    operator.sees_everything()
    await operator.comes_to_rest()
    assert len(operator.cluster.tried) == 2


async def test_a_service_that_is_refused_is_named() -> None:
    operator = Operator(World(training={"nodes": 2}))
    await operator.comes_to_rest()
    operator.world.worker_runs()
    operator.world.worker_publishes()
    operator.sees_everything()
    operator.cluster.faults["create_service"] = [RefusedError("exceeded quota")]
    await operator.comes_to_rest()
    assert operator.world.message == "Service tables-train-666ff6cc can't be created: exceeded quota"


async def test_a_job_that_is_invalid_fails_the_run_and_one_that_is_refused_does_not() -> None:
    refused, invalid = Operator(), Operator()
    refused.cluster.faults["create_job"] = [RefusedError("exceeded quota")]
    invalid.cluster.faults["create_job"] = [InvalidError("spec.template: invalid")]
    for operator in (refused, invalid):
        await operator.comes_to_rest()
    assert invalid.world.status.phase is Phase.FAILED
    assert refused.world.status.phase is Phase.PENDING
    assert "exceeded quota" in refused.world.message
    await refused.comes_to_rest()
    assert len(refused.world.created) == 1


async def test_refusals_are_tried_again_less_and_less_often() -> None:
    operator = Operator()
    refusals: list[ClusterError] = [RefusedError("exceeded quota") for _ in range(8)]
    operator.cluster.faults["create_job"] = refusals
    await operator.visits()
    waits = [await operator.visits() for _ in range(7)]
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert operator.cluster.calls.count("apply_status") == 2, "the same refusal is written once"
    await operator.visits(2)
    operator.cluster.faults["create_job"] = [RefusedError("exceeded quota")]
    operator.store.observe_job(operator.world.job, deleted=True)
    operator.world.jobs.clear()
    operator.world.run["status"]["attempts"] = {}
    operator.world.run["status"].pop("job", None)
    operator.sees_everything()
    assert await operator.visits() == 30, "a Job that was made ends the row"


async def test_a_job_of_someone_else_under_the_name_fails_the_run() -> None:
    operator = Operator()
    await operator.visits()
    operator.world.jobs[JOB] = {"metadata": {"name": JOB, "namespace": "demo", "uid": "foreign"}, "spec": {}}
    await operator.comes_to_rest()
    assert operator.world.reason == "JobConflict"
    assert operator.world.created == []
    assert operator.world.status.attempts.total == 0
