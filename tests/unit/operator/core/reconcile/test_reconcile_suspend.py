"""Who suspends a Job: the run, or somebody else, as decisions over plain data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase


@pytest.fixture
def world() -> World:
    """A training at work."""
    found = World()
    found.reaches_training()
    found.worker_runs()
    found.visits()
    return found


def others_suspend(world: World, *, suspended: bool = True, who: str = "") -> None:
    world.job["spec"]["suspend"] = suspended
    if who:
        mine = {"manager": "trainingrun-operator", "time": "2026-01-02T00:00:00Z"}
        theirs = {"manager": who, "time": "2026-01-01T00:00:00Z"}
        fields: dict[str, Any] = {"fieldsV1": {"f:spec": {"f:suspend": {}}}}
        world.job["metadata"]["managedFields"] = [{**mine, **fields}, {**theirs, **fields}]


def test_a_job_that_somebody_else_suspends_100_times_is_never_written(world: World) -> None:
    writes = 0
    for _ in range(100):
        for suspended in (True, False):
            others_suspend(world, suspended=suspended)
            writes += len(world.visits().suspend)
            assert world.job["spec"]["suspend"] is suspended
    assert writes == 0


@pytest.mark.parametrize(("who", "named"), [("kubectl", "by kubectl, not by this run"), ("", "by somebody else")])
def test_a_job_that_somebody_else_suspends_stays_so_and_the_status_says_who(world: World, who: str, named: str) -> None:
    others_suspend(world, who=who)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.SUSPENDED, "SuspendedByOthers")
    assert named in world.message
    condition = world.condition(ConditionType.SUSPENDED)
    assert (condition.status, condition.reason) == (ConditionStatus.TRUE, "SuspendedByOthers")
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE
    others_suspend(world, suspended=False)
    world.visits()
    assert world.status.phase is Phase.TRAINING


def test_a_queue_that_has_not_admitted_the_job_is_named() -> None:
    world = World(preprocess={"podTemplate": {"labels": {"kueue.x-k8s.io/queue-name": "team-a"}}})
    world.visits()
    others_suspend(world)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.QUEUED, "WaitingForQuota")
    assert "the Kueue queue team-a" in world.message


def test_each_change_of_the_runs_own_wish_is_written_once(world: World) -> None:
    writes = []
    for suspend in (True, True, False, False, True):
        world.changes_spec(suspend=suspend)
        for _ in range(3):
            writes += [wanted for _, wanted in world.visits_once().suspend]
    assert writes == [True, False, True]
    suspended = [event.key for event in world.events if event.reason == "Suspended"]
    assert len(set(suspended)) == 2, "each suspension has its Event"


def test_somebody_who_resumes_a_suspended_job_is_let(world: World) -> None:
    world.changes_spec(suspend=True)
    world.visits()
    others_suspend(world, suspended=False)
    assert world.visits().suspend == ()
    assert world.status.phase is Phase.TRAINING, "it trains, whatever the run wants"
    assert world.message.endswith("; spec.suspend is true, but somebody else has resumed the Job")
    world.changes_spec(suspend=False)
    world.visits()
    assert world.job["spec"]["suspend"] is False


def condition(status: str, world: World) -> dict[str, str]:
    return {"type": "Suspended", "status": status, "reason": "JobResumed", "lastTransitionTime": world.now.isoformat()}


def test_a_job_that_was_just_resumed_has_its_minutes_to_make_a_pod(world: World) -> None:
    started = world.now.isoformat()
    world.job["status"] = {"startTime": started}
    world.changes_spec(suspend=True)
    world.visits()
    world.pod_ends(143)
    world.pod_is_deleted()
    world.job["status"]["conditions"] = [condition("True", world)]
    world.waits(3600)
    world.changes_spec(suspend=False)
    world.visits()
    for _ in range(3):
        world.visits()
        assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE, (
            "the Job controller has not looked"
        )
    world.job["status"]["conditions"] = [condition("False", world)]
    world.visits()
    assert world.reason == "WaitingForPod", "its startTime may still be that of before"
    world.waits(200)
    world.visits()
    assert world.reason == "PodNotCreated"
    assert world.visits().requeue_after == timedelta(minutes=5)
