"""Workers that are killed for want of memory, as decisions over plain data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.jobs.memory import more_memory, with_memory
from trainingrun_operator.core.resource.pod_template import Resources
from trainingrun_operator.core.resource.spec import OnOOM
from trainingrun_operator.core.resource.status import Phase


def run(**on_oom: Any) -> World:
    resources = {"requests": {"memory": "4Gi", "cpu": "1"}, "limits": {"memory": "8Gi"}}
    world = World(
        retry={"limit": 9, **({"onOOM": on_oom} if on_oom else {})},
        training={"podTemplate": {"resources": resources}},
    )
    world.reaches_training()
    return world


def memory(world: World) -> tuple[str | None, str | None]:
    resources = world.job["spec"]["template"]["spec"]["containers"][0]["resources"]
    return resources.get("requests", {}).get("memory"), resources["limits"].get("memory")


def runs_out_of_memory(world: World) -> None:
    world.worker_runs()
    world.visits()
    world.worker_exits(137, reason="OOMKilled")
    world.visits()
    if world.status.phase is Phase.RETRYING:
        world.waits_for_the_retry()
        world.visits()


def test_the_next_attempt_asks_for_more_until_the_most_that_it_may() -> None:
    world = run(memoryFactor=1.5, maxMemory="16Gi")
    asked = [memory(world)]
    while world.status.phase is not Phase.FAILED:
        runs_out_of_memory(world)
        asked.append(memory(world))
    assert asked[:-1] == [("4Gi", "8Gi"), ("6144Mi", "12288Mi"), ("8192Mi", "16384Mi")]
    assert world.reason == "OOMKilled"
    assert "it asked for 16384Mi, and spec.retry.onOOM.maxMemory allows no more" in world.message
    assert world.status.attempts.counted == 3


def test_other_failures_in_between_keep_the_memory() -> None:
    world = run(memoryFactor=2, maxMemory="64Gi")
    runs_out_of_memory(world)
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    assert memory(world) == ("8192Mi", "16384Mi")
    volumes = {volume["name"]: volume for volume in world.job["spec"]["template"]["spec"]["volumes"]}
    assert volumes["shm"]["emptyDir"]["sizeLimit"] == "8192Mi", "half of what there is now"


def test_training_does_not_inherit_what_preprocess_needed() -> None:
    resources = {"limits": {"memory": "2Gi"}}
    world = World(retry={"onOOM": {"maxMemory": "4Gi"}}, preprocess={"podTemplate": {"resources": resources}})
    world.visits()
    runs_out_of_memory(world)
    assert memory(world) == (None, "3072Mi")
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.visits()
    assert memory(world) == (None, None)
    assert world.status.memory is None


def test_without_a_wish_for_more_the_same_memory_is_tried_once_more() -> None:
    world = run()
    runs_out_of_memory(world)
    assert world.status.attempts.train == 2
    assert memory(world) == ("4Gi", "8Gi")
    runs_out_of_memory(world)
    assert (world.status.phase, world.reason) == (Phase.FAILED, "OOMKilled")
    assert "8Gi were too little twice; spec.retry.onOOM" in world.message


def changes_the_memory(world: World, memory: str) -> None:
    """Somebody stops a run that waits for its retry, and writes another memory."""
    world.changes_spec(suspend=True)
    world.visits()
    world.changes_spec(training={"podTemplate": {"resources": {"limits": {"memory": memory}}}}, suspend=False)


@pytest.mark.parametrize("written", ["10Gi", "64Gi"])
def test_what_the_user_writes_since_counts_more_than_what_an_oom_asked_for(written: str) -> None:
    world = run(memoryFactor=1.5, maxMemory="128Gi")
    world.worker_runs()
    world.worker_exits(137, reason="OOMKilled")
    world.visits()
    assert (world.status.memory, world.status.memory_asked) == ("12288Mi", "8Gi")
    changes_the_memory(world, written)
    world.waits_for_the_retry()
    world.visits()
    assert memory(world) == ("4Gi", written)


def test_other_changes_of_the_resources_leave_what_an_oom_asked_for() -> None:
    world = run(memoryFactor=1.5, maxMemory="128Gi")
    world.worker_runs()
    world.worker_exits(137, reason="OOMKilled")
    world.visits()
    world.changes_spec(training={"podTemplate": {"resources": {"requests": {"cpu": "4"}}}})
    world.waits_for_the_retry()
    world.visits()
    assert memory(world) == ("6144Mi", "12288Mi")


def test_more_memory_by_hand_has_its_own_second_chance() -> None:
    world = run()
    world.worker_runs()
    world.worker_exits(137, reason="OOMKilled")
    world.visits()
    changes_the_memory(world, "16Gi")
    world.waits_for_the_retry()
    world.visits()
    runs_out_of_memory(world)
    assert world.status.attempts.train == 3
    assert memory(world) == ("4Gi", "16Gi")


def test_a_pod_without_any_limit_is_retried_as_before() -> None:
    world = World(retry={"limit": 2, "onOOM": {"maxMemory": "4Gi"}})
    world.reaches_training()
    for _ in range(3):
        runs_out_of_memory(world)
    assert (world.status.phase, world.reason) == (Phase.FAILED, "RetryLimitReached")


@pytest.mark.parametrize(
    ("asked", "factor", "most", "next_one"),
    [
        ("8Gi", 1.5, "64Gi", "12288Mi"),
        ("8Gi", 4.0, "16Gi", "16384Mi"),
        ("16Gi", 1.5, "16Gi", None),
        ("32Gi", 1.5, "16Gi", None),
        ("1e9", 2.0, "1Ti", "1907Mi"),
    ],
)
def test_more_memory_is_the_factor_up_to_the_most(asked: str, factor: float, most: str, next_one: str | None) -> None:
    assert more_memory(asked, OnOOM(memory_factor=factor, max_memory=most)) == next_one


@pytest.mark.parametrize(
    ("requests", "limits", "grown"),
    [
        ({"memory": "1Gi"}, {}, ({"memory": "4096Mi"}, {})),
        ({}, {"memory": "2Gi"}, ({}, {"memory": "4096Mi"})),
        ({"memory": "1Gi", "cpu": 1}, {"memory": "2Gi"}, ({"memory": "2048Mi", "cpu": 1}, {"memory": "4096Mi"})),
        ({}, {}, ({}, {"memory": "4096Mi"})),
    ],
)
def test_a_limit_and_a_request_grow_together(
    requests: dict[str, str | int], limits: dict[str, str | int], grown: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    changed = with_memory(Resources(requests=requests, limits=limits), "4096Mi")
    assert (changed.requests, changed.limits) == grown
