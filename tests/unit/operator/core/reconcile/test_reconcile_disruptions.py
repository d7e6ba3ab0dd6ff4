"""Disruptions that a Job bears by itself, and pods whose place others have taken, as decisions over plain data."""

from __future__ import annotations

from tests.support.operator.world import World, termination, training_on_two_nodes
from trainingrun_operator.core.resource.status import Phase


def keys(world: World, reason: str) -> list[str]:
    return [event.key for event in world.events if event.reason == reason]


def trains_and_is_preempted(world: World) -> None:
    world.worker_runs()
    world.visits()
    world.pod_ends(143, DisruptionTarget="PreemptionByScheduler")
    world.visits()
    world.visits()


def test_each_disruption_inside_a_job_is_counted_and_told_once() -> None:
    world = World(retry={"limit": 0})
    world.reaches_training()
    for nth in range(1, 6):
        trains_and_is_preempted(world)
        assert (world.status.attempts.disrupted, world.status.attempts.counted) == (nth, 0)
        world.pod_is_deleted()
        world.visits()
        assert world.status.attempts.disrupted == nth
    assert world.status.attempts.train == 1
    for reason in ("Preempted", "TrainingStarted"):
        assert len(set(keys(world, reason))) == 5, "no Event is taken for one that was posted before"
    assert world.status.last_failure is None, "the attempt goes on"


def test_a_disruption_whose_pod_nobody_sees_any_more_stays_counted() -> None:
    world = World()
    world.reaches_training()
    trains_and_is_preempted(world)
    world.pods.clear()
    world.visits()
    assert (world.status.attempts.disrupted, world.status.disrupted_pods) == (1, ())


def test_an_eviction_that_is_only_announced_is_none() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.pod["status"]["conditions"] = [
        {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    ]
    world.visits()
    assert world.status.attempts.disrupted == 0
    world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.visits()
    assert world.status.attempts.disrupted == 1


def test_a_disruption_that_ends_the_attempt_is_counted_once_too() -> None:
    for seen_before in (True, False):
        world = World()
        world.reaches_training()
        world.worker_runs()
        world.visits()
        world.pod_ends(143, DisruptionTarget="PreemptionByScheduler")
        if seen_before:
            world.visits()
        world.job_ends()
        world.visits()
        assert world.reason == "Preempted"
        assert world.status.attempts.disrupted == 1


def fails(world: World, code: int, reason: str = "") -> None:
    message = termination("train", "failed", exitCode=code, reason=reason, message="no") if code == 75 else ""
    world.pod_ends(code, message, "OOMKilled" if code == 137 else "", pod=world.shard(0))
    world.job_ends("Failed", "MaxFailedIndexesExceeded", "", failedIndexes="0")
    world.visits()


def test_a_pod_that_was_preempted_and_replaced_hours_ago_is_not_to_blame() -> None:
    world = training_on_two_nodes()
    world.pod_ends(143, pod=world.shard(1), DisruptionTarget="PreemptionByScheduler")
    world.visits()
    world.worker_runs(index=1)
    world.waits(5 * 3600)
    fails(world, 137)
    assert world.reason == "OOMKilled"
    assert (world.status.attempts.counted, world.status.attempts.disrupted) == (1, 1)


def test_a_preempted_pod_whose_replacement_never_ran_is_to_blame_for_what_the_others_met() -> None:
    world = training_on_two_nodes()
    world.pod_ends(143, pod=world.shard(1), DisruptionTarget="PreemptionByScheduler")
    world.visits()
    world.pod_appears(index=1)
    fails(world, 75, "LostContact")
    assert world.reason == "Preempted"
    assert (world.status.attempts.counted, world.status.attempts.disrupted) == (0, 1)


def test_a_shard_is_judged_by_its_last_pod_alone() -> None:
    world = World(dataset={"parallelism": 2})
    world.visits()
    for index in range(2):
        world.worker_runs(index=index)
    world.pod_ends(1, "", pod=world.shard(0))
    world.waits(5)
    world.worker_runs(index=0)
    world.pod_ends(0, termination("preprocess", shard={"index": 0, "of": 2, "documents": 7}), pod=world.shard(0))
    world.pod_ends(75, "", pod=world.shard(1))
    world.job_ends("Failed", "MaxFailedIndexesExceeded")
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.RETRYING, "Transient")
