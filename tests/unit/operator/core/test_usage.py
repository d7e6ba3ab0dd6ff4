"""GPU-seconds and waiting times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.operator.world import World
from trainingrun_operator.core import usage
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


def test_what_was_used_since_the_pods_began_is_lost_without_a_checkpoint() -> None:
    world = World(training={"modelOutput": "models/m.pth", "gpusPerNode": 2})
    world.reaches_training()
    world.worker_runs()
    world.visits()
    observed = world.observed()
    failure = LastFailure(
        stage=Stage.TRAIN, attempt=1, failure_class="OOMKilled", reason="r", message="m",
        time=observed.pods[-1].created_at + timedelta(seconds=50),
    )  # fmt: skip
    assert usage.lost_gpu_seconds(observed, failure) == 2 * 50
    of_preprocess = failure.model_copy(update={"stage": Stage.PREPROCESS})
    assert usage.lost_gpu_seconds(observed, of_preprocess) == 0
