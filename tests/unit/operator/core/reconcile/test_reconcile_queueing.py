"""A run whose Jobs wait in a Kueue queue, as decisions over plain data."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.operator.workloads import DEACTIVATED, NO_QUOTA, PREEMPTED, a_workload, admitted, evicted, pending
from tests.support.operator.world import World
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase

QUEUE = "kueue.x-k8s.io/queue-name"


def kueue_holds(world: World, conditions: list[dict[str, Any]], *, suspended: bool = True) -> None:
    """Kueue keeps the Job's suspend and its Workload in step; what the operator wrote to the Workload stays."""
    world.job["spec"]["suspend"] = suspended
    if world.workloads is not None:
        name = f"job-{world.job['metadata']['name']}"
        known = world.workloads.setdefault(name, a_workload(world.job, conditions=[]))
        known["status"]["conditions"] = conditions


def admits(world: World) -> None:
    kueue_holds(world, admitted(), suspended=False)


def stops(world: World, reason: str, message: str) -> None:
    """The Job controller deletes the pods of a Job that is suspended."""
    kueue_holds(world, evicted(reason, message))
    if world.pods:
        world.pod_is_deleted()


def a_queued_run(*, follows: bool = True, **spec: Any) -> World:
    world = World(**spec)
    world.run["metadata"]["labels"] = {QUEUE: "gpus", "kueue.x-k8s.io/priority-class": "low", "team": "tables"}
    if follows:
        world.workloads = {}
    world.visits()
    return world


@pytest.fixture
def training() -> World:
    """A training at work, admitted by its queue."""
    world = a_queued_run()
    admits(world)
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.visits()
    admits(world)
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING
    return world


def test_the_runs_queue_and_priority_are_those_of_its_jobs_and_not_of_their_pods() -> None:
    world = a_queued_run()
    labels = world.job["metadata"]["labels"]
    assert (labels[QUEUE], labels["kueue.x-k8s.io/priority-class"]) == ("gpus", "low")
    assert "team" not in labels
    assert not [name for name in world.job["spec"]["template"]["metadata"]["labels"] if "kueue" in name]


def test_a_stage_may_wait_in_a_queue_of_its_own() -> None:
    world = a_queued_run(preprocess={"podTemplate": {"labels": {QUEUE: "cpus"}}})
    assert world.job["metadata"]["labels"][QUEUE] == "cpus"
    kueue_holds(world, pending())
    world.visits()
    assert world.status.queue == "cpus"


def test_a_job_without_quota_waits_with_kueues_own_words() -> None:
    world = a_queued_run()
    kueue_holds(world, pending())
    world.visits()
    assert (world.status.phase, world.reason, world.status.queue) == (Phase.QUEUED, "WaitingForQuota", "gpus")
    assert world.message == f"preprocess waits for quota in the Kueue queue gpus: {NO_QUOTA}"
    admits(world)
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.PREPROCESSING


def test_each_preemption_is_counted_and_told_once_and_the_figures_stay(training: World) -> None:
    for times in (1, 2):
        stops(training, "Preempted", PREEMPTED)
        for _ in range(3):
            training.visits()
        assert (training.status.phase, training.reason) == (Phase.QUEUED, "WaitingForQuota")
        assert PREEMPTED in training.message
        assert training.status.attempts.disrupted == times
        told = [event for event in training.events if event.reason == "Preempted"]
        assert (len(told), len({event.key for event in told})) == (times, times)
        admits(training)
        training.worker_runs()
        training.visits()
        assert training.status.phase is Phase.TRAINING
    assert (training.status.attempts.counted, training.status.attempts.train) == (0, 1)


def test_two_nodes_that_are_preempted_together_are_one_preemption() -> None:
    world = a_queued_run(training={"nodes": 2})
    admits(world)
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.visits()
    admits(world)
    for index in range(2):
        world.worker_runs(index=index)
    world.visits()
    stops(world, "Preempted", PREEMPTED)
    world.pod_is_deleted()
    world.visits()
    assert world.status.attempts.disrupted == 1


def test_suspending_and_resuming_the_run_is_one_write_to_its_workload_each(training: World) -> None:
    training.changes_spec(suspend=True)
    writes = [wanted for _ in range(3) for _, wanted in training.visits_once().activate]
    assert writes == [False]
    assert training.status.phase is Phase.TRAINING, "Kueue has not stopped it yet"
    assert training.message.endswith("; Kueue stops it, since spec.suspend is true")
    stops(training, "Deactivated", DEACTIVATED)
    training.visits()
    assert (training.status.phase, training.reason) == (Phase.SUSPENDED, "Suspended")
    assert training.status.attempts.disrupted == 0, "nobody else has stopped it"
    training.changes_spec(suspend=False)
    writes = [wanted for _ in range(3) for _, wanted in training.visits_once().activate]
    assert writes == [True]
    kueue_holds(training, pending())
    training.visits()
    assert training.status.phase is Phase.QUEUED
    assert "training.badgerdoc.dev/suspend" not in training.job["metadata"]["annotations"], (
        "the Job itself was never written"
    )


def test_an_admins_deactivation_stays_theirs(training: World) -> None:
    assert training.workloads is not None
    workload = training.workloads[f"job-{training.job['metadata']['name']}"]
    writes = 0
    for _ in range(100):
        workload["spec"]["active"] = not workload["spec"]["active"]
        writes += len(training.visits().activate)
    assert writes == 0
    workload["spec"]["active"] = False
    stops(training, "Deactivated", DEACTIVATED)
    training.visits()
    assert (training.status.phase, training.reason) == (Phase.SUSPENDED, "SuspendedByOthers")
    assert "deactivated, not by this run" in training.message
    assert training.status.attempts.disrupted == 1


def test_a_run_that_is_suspended_before_it_is_admitted_leaves_the_queue() -> None:
    world = a_queued_run()
    kueue_holds(world, pending())
    world.changes_spec(suspend=True)
    assert [wanted for _, wanted in world.visits().activate] == [False]
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.SUSPENDED, "Suspended")
    world.changes_spec(suspend=False)
    assert [wanted for _, wanted in world.visits().activate] == [True]


def test_a_workload_that_is_made_anew_is_told_of_the_runs_wish(training: World) -> None:
    training.changes_spec(suspend=True)
    training.visits()
    assert training.workloads is not None
    training.workloads.clear()
    kept_job = training.job
    kept_job["spec"]["suspend"] = True
    training.visits()
    assert "waits for Kueue to make the Workload of this Job" in training.message
    kueue_holds(training, pending())
    assert [wanted for _, wanted in training.visits().activate] == [False]
    training.visits()
    assert training.status.phase is Phase.SUSPENDED


def test_without_the_right_to_its_workloads_a_run_says_that_suspend_cannot_hold() -> None:
    world = a_queued_run(follows=False)
    admits(world)
    world.worker_runs()
    world.changes_spec(suspend=True)
    plan = world.visits()
    assert (plan.suspend, plan.activate) == ((), ())
    assert world.status.phase is Phase.PREPROCESSING
    assert "kueue.enabled" in world.message


def test_a_pod_whose_place_is_being_chosen_waits_for_a_node() -> None:
    world = a_queued_run()
    admits(world)
    pod = world.pod_appears()
    pod["status"]["conditions"] = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ]
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("WaitingForNode", ConditionStatus.FALSE)


STEPS = st.sampled_from(["suspend", "resume", "others deactivate", "others activate", "deleted", "made anew", "visit"])


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_no_more_is_written_than_the_run_changes_its_wish_or_kueue_makes_a_workload_anew(steps: list[str]) -> None:
    world = a_queued_run()
    assert world.workloads is not None
    kueue_holds(world, pending())
    writes = allowed = 0
    for step in steps:
        workload = next(iter(world.workloads.values()), None)
        if step in ("suspend", "resume"):
            allowed += world.run["spec"].get("suspend", False) is not (step == "suspend")
            world.changes_spec(suspend=step == "suspend")
        elif step == "visit":
            writes += len(world.visits_once().activate)
        elif step == "deleted":
            world.workloads.clear()
        elif step == "made anew" and workload is None:
            allowed += 1
            kueue_holds(world, pending())
        elif workload is not None:
            workload["spec"]["active"] = step == "others activate"
    assert writes <= allowed
    world.visits()
    for workload in world.workloads.values():
        wanted = workload["metadata"].get("annotations", {}).get("training.badgerdoc.dev/suspend") == "true"
        assert wanted is world.run["spec"].get("suspend", False), "the last word reaches it"
