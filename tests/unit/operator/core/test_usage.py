"""GPU-seconds and waiting times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.operator.world import World
from trainingrun_operator.core import usage
from trainingrun_operator.core.progress.state import ProgressState
from trainingrun_operator.core.resource.status import Attempts, LastFailure, Stage, Status
from trainingrun_operator.core.usage import GpuClock, Gpus

START = datetime(2026, 1, 1, tzinfo=UTC)
AFTER = START + timedelta(seconds=90)


def test_gpus_are_added_up_over_runs_and_time() -> None:
    clock: GpuClock[str] = GpuClock()
    clock.see("a", Gpus(waiting=2), 10.0)
    clock.see("a", Gpus(used=2), 15.0)
    clock.see("b", Gpus(used=1, waiting=1), 20.0)
    clock.see("a", Gpus(), 30.0)
    clock.lose(7.0)
    assert clock.seconds(40.0) == {"used": 2 * 15 + 1 * 20, "waiting": 2 * 5 + 1 * 20, "lost": 7.0}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(0, 4), st.floats(0, 9)), max_size=30))
def test_gpu_seconds_never_fall_and_stop_when_nobody_has_any(steps: list[tuple[str, int, int, float]]) -> None:
    clock: GpuClock[str] = GpuClock()
    now_s, before = 0.0, clock.seconds(0.0)
    for key, used, waiting, later_s in steps:
        now_s += later_s
        clock.see(key, Gpus(used=used, waiting=waiting), now_s)
        found = clock.seconds(now_s)
        assert all(found[kind] >= before[kind] for kind in found)
        before = found
    for key in "abc":
        clock.see(key, Gpus(), now_s)
    assert clock.seconds(now_s + 100.0) == before


@pytest.mark.parametrize(
    ("old_node", "new_node", "total", "seconds"),
    [(None, "n", 1, 90.0), (None, None, 1, None), ("n", "n", 1, None), (None, "n", 2, None)],
)
def test_the_first_pod_counts_once(
    old_node: str | None, new_node: str | None, total: int, seconds: float | None
) -> None:
    old = Status(start_time=START, node=old_node)
    new = Status(start_time=START, node=new_node, attempts=Attempts(total=total))
    assert usage.seconds_to_first_pod(old, new, AFTER) == seconds


def test_a_failure_is_told_once() -> None:
    failure = LastFailure(
        stage=Stage.TRAIN, attempt=1, failure_class="OOMKilled", reason="r", message="m", time=START
    )  # fmt: skip
    failed = Status(last_failure=failure)
    assert usage.new_failure(Status(), failed) == failure
    assert usage.new_failure(failed, failed) is None


def test_a_run_that_prepares_its_dataset_has_no_gpus() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    assert usage.gpus(world.observed()) == Gpus()


def test_a_training_uses_its_gpus_while_its_pod_runs_and_waits_for_them_before() -> None:
    world = World(training={"modelOutput": "models/m.pth", "gpusPerNode": 2})
    world.reaches_training()
    world.worker_runs()
    world.visits()
    assert usage.gpus(world.observed()) == Gpus(used=2)
    world.pod["status"]["containerStatuses"] = []
    assert usage.gpus(world.observed()) == Gpus(waiting=2)


def trains(**training: object) -> World:
    """A run whose pod has just begun to train on two GPUs, a minute after the run's start."""
    world = World(training={"gpusPerNode": 2, **training})
    world.visits()
    world.waits(60)
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.visits()
    world.worker_runs()
    world.visits()
    return world


def counted(world: World) -> tuple[int, int, int]:
    usage = world.status.usage
    assert usage is not None
    return usage.gpu_seconds, usage.waiting_seconds, usage.lost_seconds


def test_a_run_has_used_its_gpus_while_its_pods_ran_and_waited_until_they_did() -> None:
    world = trains()
    assert counted(world) == (0, 60, 0)
    world.waits(500)
    world.worker_publishes()
    world.visits()
    assert counted(world) == (1000, 60, 0)


def test_preprocess_uses_no_gpu() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.waits(100)
    world.worker_publishes()
    world.visits()
    assert counted(world) == (0, 0, 0)


def test_the_usage_alone_is_no_reason_for_a_write() -> None:
    world = trains()
    world.waits(500)
    assert world.visits_once().status is None


def test_what_came_after_the_last_checkpoint_is_lost_when_an_attempt_fails() -> None:
    world = trains()
    world.waits(300)
    time = world.now.isoformat()
    world.run["status"]["resumePoints"] = [{"epoch": 1, "uri": "s3://c", "time": time}]
    world.waits(40)
    world.worker_exits(1)
    world.visits()
    assert counted(world) == (680, 60, 80)
    world.visits()
    assert counted(world) == (680, 60, 80), "a visit that is repeated counts nothing twice"


def test_a_visit_that_is_repeated_since_its_write_was_lost_counts_once() -> None:
    world = trains()
    world.waits(100)
    world.worker_exits(1)
    world.visits_once(dies_before_status=True)
    world.waits(30)
    world.visits()
    assert counted(world)[0::2] == (200, 200)


def test_a_pod_that_its_job_replaces_has_lost_what_it_did() -> None:
    world = trains()
    world.waits(100)
    world.pod_ends(137, DisruptionTarget="PreemptionByScheduler")
    world.visits()
    assert counted(world) == (200, 60, 200)
    world.pod_is_deleted()
    world.waits(50)
    world.worker_runs()
    world.visits()
    assert counted(world) == (200, 110, 200)
    world.waits(10)
    world.worker_exits(64)
    world.visits()
    assert counted(world) == (220, 110, 220)


def test_a_suspended_run_waits_for_nothing() -> None:
    world = trains()
    world.changes_spec(suspend=True)
    world.visits()
    world.pod_ends(143)
    world.pod_is_deleted()
    world.waits(10000)
    world.changes_spec(suspend=False)
    world.visits()
    world.waits(20)
    world.worker_runs()
    world.visits()
    assert counted(world) == (0, 80, 0)


def test_a_container_that_never_started_has_used_nothing() -> None:
    world = trains()
    world.waits(100)
    world.worker_exits(128, reason="StartError")
    world.pod["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"] = "1970-01-01T00:00:00Z"
    world.visits()
    assert counted(world)[0::2] == (0, 0)


def test_all_nodes_of_a_training_count() -> None:
    world = World(training={"nodes": 2, "gpusPerNode": 4})
    world.reaches_training()
    for index in range(2):
        world.worker_runs(index=index)
        world.visits()
        world.waits(10)
    for index in range(2):
        world.pod_ends(1, pod=world.shard(index))
    world.job_ends()
    world.visits()
    assert counted(world) == (4 * (20 + 10), 0, 4 * (20 + 10))


def test_a_training_on_the_cpu_uses_no_gpu() -> None:
    world = trains(device="cpu")
    world.waits(100)
    world.worker_exits(64)
    world.visits()
    assert counted(world) == (0, 60, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["visit", "repeated", "runs", "fails", "preempted", "suspend", "resume", "checkpoint"]),
        st.integers(0, 500),
    ),
    max_size=30,
)


@given(STEPS)
def test_whatever_happens_each_second_of_a_gpu_is_counted_once(steps: list[tuple[str, int]]) -> None:
    world = World(retry={"limit": 100, "backoff": "1s"})
    world.reaches_training()
    pods: dict[str, tuple[datetime, datetime | None]] = {}

    def open_pod() -> str | None:
        return next((name for name, (_, end) in pods.items() if end is None), None)

    def ends() -> None:
        name = open_pod()
        assert name is not None
        pods[name] = (pods[name][0], world.now)

    for what, later_s in steps:
        world.waits(later_s)
        is_open = "status" not in world.job and world.job["spec"].get("suspend") is not True
        if what == "visit":
            world.visits()
        elif what == "repeated":
            world.visits_once(dies_before_status=True)
        elif what == "runs" and is_open and open_pod() is None:
            world.worker_runs()
            pods[world.pod["metadata"]["name"]] = (world.now, None)
        elif what == "fails" and open_pod():
            ends()
            world.worker_exits(75)
            world.visits()
        elif what == "preempted" and open_pod():
            ends()
            world.pod_ends(137, DisruptionTarget="PreemptionByScheduler")
            world.visits()
        elif what in ("suspend", "resume"):
            world.changes_spec(suspend=what == "suspend")
            world.visits()
            if what == "suspend" and open_pod():
                ends()
                world.pod_ends(143)
                world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
        elif what == "checkpoint" and world.status.start_time:
            point = {"epoch": 1, "uri": "s3://c", "time": world.now.isoformat()}
            world.run["status"]["resumePoints"] = [point]
    if world.status.is_terminal:
        return
    world.changes_spec(retry={"limit": 99})
    world.visits()
    usage = world.status.usage
    assert usage is not None
    until = usage.counted_until
    used = sum(int((min(end or until, until) - min(start, until)).total_seconds()) for start, end in pods.values())
    assert usage.gpu_seconds == used
    assert 0 <= usage.lost_seconds <= usage.gpu_seconds
    assert world.status.start_time is not None
    assert usage.waiting_seconds + usage.gpu_seconds <= (until - world.status.start_time).total_seconds()


def a_step(**progress: object) -> ProgressState:
    made = {"stage": "train", "attempt": 1, "sequence": 1, **progress}
    return ProgressState.of(Status.model_validate({"progress": made}))


def test_the_first_step_is_counted_when_it_is_written() -> None:
    world = trains()
    run = world.observed().run
    none, first = a_step(), a_step(iteration=1)
    assert usage.seconds_to_first_step(run, none, first, world.now) == 60
    assert usage.seconds_to_first_step(run, first, a_step(iteration=2), world.now) is None
    assert usage.seconds_to_first_step(run, none, none, world.now) is None


def test_the_first_step_of_a_pod_that_took_the_place_of_another_is_not_the_runs() -> None:
    world = trains()
    world.run["status"]["attempts"]["disrupted"] = 1
    assert usage.seconds_to_first_step(world.observed().run, a_step(), a_step(iteration=1), world.now) is None
