"""A suspended run whose resources are changed, as decisions over plain data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.resource.status import Phase

MORE = {"podTemplate": {"resources": {"limits": {"memory": "64Gi"}}}}


@pytest.fixture
def world() -> World:
    """A training that has been suspended at work, and whose pod has ended."""
    found = World(training={"podTemplate": {"resources": {"limits": {"memory": "8Gi"}}}})
    found.reaches_training()
    found.worker_runs()
    found.visits()
    found.changes_spec(suspend=True)
    found.visits()
    found.pod_ends(143)
    found.pod_is_deleted()
    found.visits()
    return found


def limits(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    return found


def test_a_suspended_job_stays_until_the_run_goes_on(world: World) -> None:
    world.changes_spec(training=MORE)
    world.visits()
    assert world.last_plan.delete == ()
    assert (world.status.phase, len(world.created)) == (Phase.SUSPENDED, 2)


def test_a_job_whose_resources_were_changed_is_replaced_and_nothing_is_counted(world: World) -> None:
    outdated, before = world.created[-1], world.status.attempts
    world.changes_spec(training=MORE, suspend=False)
    world.visits()
    assert outdated not in world.jobs
    world.visits()
    after = world.status.attempts
    assert limits(world)["memory"] == "64Gi"
    assert world.job["spec"].get("suspend") is not True
    assert (after.train, after.total, after.replaced) == (before.train + 1, before.total + 1, None)
    assert (after.counted, after.disrupted) == (before.counted, before.disrupted)
    assert world.status.last_failure is None
    [event] = [event for event in world.events if event.reason == "JobReplaced"]
    assert f"attempt 2 takes the place of Job {outdated}: the resources of its pods were changed" in event.message
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING


def test_a_job_whose_resources_are_what_they_were_is_resumed(world: World) -> None:
    world.changes_spec(training=MORE)
    world.changes_spec(training={"podTemplate": {"resources": {"limits": {"memory": "8Gi"}}}}, suspend=False)
    world.visits()
    assert (len(world.created), world.job["spec"]["suspend"]) == (2, False)


def test_no_attempt_begins_beside_a_pod_that_still_ends() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.changes_spec(suspend=True)
    world.visits()
    world.changes_spec(training=MORE, suspend=False)
    world.visits()
    world.visits()
    assert len(world.created) == 2
    assert "waits for pod" in world.message
    world.pod_ends(143)
    world.pod_is_deleted()
    world.visits()
    assert (len(world.created), limits(world)["memory"]) == (3, "64Gi")


def test_a_run_that_is_suspended_again_before_its_job_is_gone_waits(world: World) -> None:
    outdated = world.created[-1]
    world.changes_spec(training=MORE, suspend=False)
    world.visits_once()
    assert world.status.attempts.replaced == 1
    world.changes_spec(suspend=True)
    world.visits()
    assert (world.status.phase, outdated in world.jobs) == (Phase.SUSPENDED, True)
    world.changes_spec(suspend=False)
    world.visits()
    world.visits()
    assert (outdated in world.jobs, limits(world)["memory"]) == (False, "64Gi")


def test_the_operator_may_die_between_any_two_of_its_writes(world: World) -> None:
    world.changes_spec(training=MORE, suspend=False)
    for _ in range(6):
        world.visits_once(dies_before_status=True)
        world.visits_once()
    assert (len(world.created), world.status.attempts.train, limits(world)["memory"]) == (3, 2, "64Gi")


def test_a_job_that_somebody_else_has_suspended_is_theirs() -> None:
    world = World()
    world.reaches_training()
    world.job["spec"]["suspend"] = True
    world.changes_spec(training=MORE)
    world.visits()
    assert (world.last_plan.delete, world.reason, len(world.created)) == ((), "SuspendedByOthers", 2)


def test_a_job_that_waits_in_a_queue_is_replaced() -> None:
    world = World(training={"podTemplate": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}})
    world.reaches_training()
    world.job["spec"]["suspend"] = True
    world.changes_spec(training=MORE)
    world.visits()
    world.visits()
    assert (len(world.created), limits(world)["memory"]) == (3, "64Gi")
