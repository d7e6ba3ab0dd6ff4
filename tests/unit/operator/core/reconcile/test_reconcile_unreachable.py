"""Pods that nobody can end, since their node is out of reach, as decisions over plain data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase


@pytest.fixture
def world() -> World:
    """A training whose pod is deleted after its node went out of reach: it is to be gone within two minutes."""
    found = World()
    found.reaches_training()
    found.job["status"] = {"startTime": found.now.isoformat()}
    found.worker_runs(node="gpu-7")
    found.visits()
    found.pod["metadata"]["deletionTimestamp"] = (found.now + timedelta(seconds=120)).isoformat()
    found.pod["status"]["conditions"] = [
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    ]
    found.visits()
    return found


def assert_stalled(world: World) -> None:
    condition = world.condition(ConditionType.STALLED)
    assert (condition.status, condition.reason) == (ConditionStatus.TRUE, "NodeUnreachable")
    for needed in ("gpu-7", world.pod["metadata"]["name"], "node.kubernetes.io/out-of-service", "--force"):
        assert needed in condition.message
    assert [event.warning for event in world.events if event.reason == "NodeUnreachable"] == [True]


def test_a_job_whose_pod_cannot_be_ended_is_stalled_within_minutes(world: World) -> None:
    assert (world.reason, world.last_plan.requeue_after) == ("WaitingForPod", timedelta(seconds=180))
    world.waits(179)
    world.visits()
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE
    world.waits(1)
    world.visits()
    assert_stalled(world)
    assert (world.status.phase, world.status.node) == (Phase.PENDING, "gpu-7")
    world.waits(8 * 3600)
    plan = world.visits()
    assert (plan.status, plan.requeue_after) == (None, timedelta(minutes=5))
    world.pod_is_deleted()
    world.worker_runs()
    world.visits()
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE
    assert world.status.attempts.disrupted == 1


def test_an_attempt_that_waits_for_such_a_pod_is_stalled_and_looks_ever_less_often(world: World) -> None:
    del world.jobs[world.created[-1]]
    world.visits()
    world.waits_for_the_retry()
    plan = world.visits()
    assert plan.requeue_after == timedelta(seconds=5)
    assert f"waits for pod {world.pod['metadata']['name']} to end" in world.message
    visits = 0
    until = world.now + timedelta(hours=8)
    while world.now < until:
        assert plan.requeue_after is not None
        world.waits(plan.requeue_after.total_seconds())
        plan = world.visits()
        visits += 1
    assert visits < 8 * 12 + 20
    assert_stalled(world)
    assert world.status.phase is Phase.RETRYING
    assert len(world.created) == 2
    world.pod_is_deleted()
    world.visits()
    assert len(world.created) == 3


def test_a_pod_that_ended_in_time_is_no_reason_to_call_for_help(world: World) -> None:
    world.pod_ends(143)
    world.waits(600)
    world.visits()
    assert world.reason != "NodeUnreachable"


def test_a_shard_whose_node_is_out_of_reach_is_told_of_beside_those_that_work() -> None:
    world = World(dataset={"parallelism": 2})
    world.visits()
    for index, node in enumerate(("node-1", "gpu-7")):
        world.worker_runs(index=index, node=node)
    world.shard(1)["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.waits(61)
    world.visits()
    assert world.status.phase is Phase.PREPROCESSING
    assert "runs in 1 of 2 pods; pod" in world.message
    assert "node.kubernetes.io/out-of-service" in world.message
