"""Jobs that are deleted, refused, foreign or disrupted, as decisions over plain data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.plan import CreateError
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase, Stage


def test_a_job_of_the_same_name_that_belongs_to_someone_else_fails_the_run() -> None:
    world = World()
    world.visits_once()
    world.jobs["tables-preprocess-1-666ff6cc"] = {
        "metadata": {"name": "tables-preprocess-1-666ff6cc", "namespace": "demo", "uid": "x", "ownerReferences": []},
        "spec": {},
    }
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "JobConflict")
    assert world.created == []


def test_a_foreign_job_in_the_place_of_a_deleted_one_is_not_followed() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.job["metadata"] |= {"uid": "foreign", "ownerReferences": [{"uid": "another-run", "controller": True}]}
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "JobConflict")


def test_a_pod_that_somebody_deleted_is_judged_by_its_job() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.pod_ends(143)
    world.visits()
    assert world.status.last_failure is None
    world.pod_is_deleted()
    world.job_ends()
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "Interrupted", "as it was last seen"


def test_an_operator_killed_between_its_writes_makes_no_second_job() -> None:
    world = World()
    world.visits_once()
    world.visits_once(dies_before_status=True)
    assert len(world.created) == 1
    assert world.status.attempts.preprocess == 0
    world.visits()
    assert len(world.created) == 1
    assert world.status.attempts.preprocess == 1
    assert world.status.attempts.total == 1


def test_a_deleted_job_is_made_again_and_does_not_count() -> None:
    world = World()
    world.reaches_training()
    del world.jobs[world.created[-1]]
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.RETRYING, "JobLost")
    assert (world.status.attempts.counted, world.status.attempts.disrupted) == (0, 1)
    world.waits_for_the_retry()
    world.visits()
    assert world.created[-1].startswith("tables-train-2-")


@pytest.mark.parametrize("orphaned", [False, True])
def test_the_attempt_after_a_deleted_job_waits_until_its_pod_has_ended(orphaned: bool) -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    del world.jobs[world.created[-1]]
    if orphaned:
        del world.pod["metadata"]["ownerReferences"]
    else:
        world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.visits()
    world.waits_for_the_retry()
    plan = world.visits()
    assert len(world.created) == 2
    assert f"waits for pod {world.pod['metadata']['name']} to end" in world.message
    assert plan.requeue_after == timedelta(seconds=5)
    world.pod_ends(143)
    world.visits()
    assert len(world.created) == 3


def test_a_first_attempt_that_the_status_does_not_tell_of_is_not_begun_again_beside_its_pod() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.run["status"]["attempts"] = {}
    world.run["status"]["jobs"] = []
    del world.jobs[world.created[-1]]
    world.visits()
    assert len(world.created) == 1
    assert f"waits for pod {world.pod['metadata']['name']} to end" in world.message
    world.pod_ends(143)
    world.visits()
    assert len(world.created) == 2


def test_the_next_attempt_waits_until_the_failed_job_has_ended() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.pod_ends(75)
    world.visits()
    assert world.reason == "Transient", "diagnosed at first sight, before the Job says so"
    world.waits_for_the_retry()
    world.visits()
    assert len(world.created) == 1
    world.job_ends()
    world.visits()
    assert len(world.created) == 2


def test_a_disrupted_pod_is_left_to_its_job() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.pod_ends(137, DisruptionTarget="EvictionByEvictionAPI")
    world.visits()
    assert world.status.last_failure is None
    assert world.status.phase is Phase.PENDING
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING
    assert world.status.attempts.train == 1


def test_a_job_that_the_api_server_calls_invalid_fails_the_run() -> None:
    world = World()
    world.visits_once()
    name, stage = "tables-preprocess-1-666ff6cc", Stage.PREPROCESS
    world.create_error = CreateError(name=name, stage=stage, message="spec.template: Invalid value", permanent=True)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "JobRejected")
    assert "Invalid value" in world.message


def test_a_job_that_a_quota_forbids_is_tried_again() -> None:
    world = World()
    world.visits_once()
    name, stage = "tables-preprocess-1-666ff6cc", Stage.PREPROCESS
    world.create_error = CreateError(name=name, stage=stage, message="exceeded quota: gpus", permanent=False)
    plan = world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, "JobRejected")
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.TRUE
    assert plan.requeue_after == timedelta(seconds=30)
    world.create_error = None
    world.visits()
    assert len(world.created) == 1
