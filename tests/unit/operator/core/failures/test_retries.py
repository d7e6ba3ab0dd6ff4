"""Whether and when another attempt follows a failure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.operator.world import START, World, termination
from trainingrun_operator.core.failures.diagnosis import Action, Diagnosis, FailureClass
from trainingrun_operator.core.failures.retries import decide_retry, retry_time
from trainingrun_operator.core.resource.status import LastFailure, Phase, Stage


def test_counted_failures_are_retried_up_to_the_limit() -> None:
    world = World(retry={"limit": 2})
    for attempt in (1, 2, 3):
        world.visits()
        assert world.created[-1].startswith(f"tables-preprocess-{attempt}-")
        world.worker_runs()
        world.visits()
        world.worker_exits(75, says=f"S3 answered 503 for the {attempt}. time")
        world.visits()
        if attempt < 3:
            assert world.status.phase is Phase.RETRYING
            world.waits_for_the_retry()
    assert world.status.phase is Phase.FAILED
    assert world.reason == "RetryLimitReached"
    assert "spec.retry.limit of 2 is used up" in world.message
    assert "for the 3. time" in world.message
    assert world.status.attempts.counted == 3


def test_a_limit_of_0_means_one_attempt() -> None:
    world = World(retry={"limit": 0})
    world.visits()
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    assert world.status.phase is Phase.FAILED


def test_disruptions_never_use_up_the_limit() -> None:
    world = World(retry={"limit": 0})
    for _ in range(8):
        world.visits()
        world.worker_runs()
        world.worker_exits(143)
        world.visits()
        assert world.status.phase is Phase.RETRYING
        world.waits_for_the_retry()
    assert world.status.attempts.counted == 0
    assert world.status.attempts.disrupted == 8


def test_a_worker_that_is_interrupted_without_end_is_given_up() -> None:
    world = World()
    for _ in range(11):
        world.visits()
        world.worker_runs()
        world.worker_exits(143)
        world.visits()
        if world.status.phase is Phase.RETRYING:
            world.waits_for_the_retry()
    assert world.status.phase is Phase.FAILED
    assert world.reason == "Interrupted"
    assert "11 times in a row" in world.message


def test_a_training_that_goes_on_between_interruptions_is_never_given_up() -> None:
    world = World()
    world.reaches_training()
    for time in range(1, 30):
        world.visits()
        world.worker_runs()
        point = {"epoch": 0, "iteration": 10 * time, "uri": f"s3://tables/iteration_{10 * time}.pth"}
        world.run["status"]["resumePoints"] = [point]
        world.worker_exits(143)
        world.visits()
        assert world.status.phase is Phase.RETRYING, world.message
        assert world.status.last_failure is not None
        assert world.status.last_failure.consecutive == 1
        assert world.status.next_retry_time is not None
        assert world.status.next_retry_time - world.now <= timedelta(seconds=12), "the delay starts anew, too"
        world.waits_for_the_retry()


def test_a_failure_that_no_retry_can_mend_is_not_counted_as_a_retry() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.worker_exits(65)
    world.visits()
    assert world.status.phase is Phase.FAILED
    assert (world.status.attempts.counted, world.status.attempts.disrupted) == (0, 0)


def test_a_node_that_refuses_the_pod_three_times_is_tried_a_fourth_time_and_not_more() -> None:
    world = World()
    for _ in range(4):
        world.visits()
        world.pod_appears()
        world.pod["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no devices"}
        world.job_ends()
        world.visits()
        if world.status.phase is Phase.RETRYING:
            world.waits_for_the_retry()
    assert world.status.phase is Phase.FAILED
    assert world.reason == "AdmissionError"
    assert len(world.created) == 4


def fails_of_its_node(world: World, node: str, code: int = 69, reason: str = "GPUUnavailable") -> None:
    world.visits()
    world.worker_runs(node=node)
    words = f"torch can't use the GPU of {node}: the driver is too old"
    world.worker_exits(code, message=termination("train", "failed", exitCode=code, reason=reason, message=words))
    world.visits()


def avoided(world: World) -> list[str]:
    affinity = world.job["spec"]["template"]["spec"].get("affinity")
    if affinity is None:
        return []
    [term] = affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["weight"] == 100
    fields = term["preference"]["matchFields"]
    assert {(field["key"], field["operator"], len(field["values"])) for field in fields} == {
        ("metadata.name", "NotIn", 1)
    }
    return [field["values"][0] for field in fields]


@pytest.mark.parametrize(("code", "reason"), [(69, "GPUUnavailable"), (75, "GPUFault")])
def test_a_gpu_that_fails_is_looked_for_on_two_other_nodes_and_no_more(code: int, reason: str) -> None:
    world = World(retry={"limit": 0})
    world.reaches_training()
    for nth, node in enumerate(("node-a", "node-b", "node-c")):
        fails_of_its_node(world, node, code, reason)
        assert avoided(world) == ["node-a", "node-b"][:nth]
        assert f"the GPU of {node}: the driver is too old" in world.message, "a person sees it at once"
        assert world.reason == reason
        if nth < 2:
            assert world.status.phase is Phase.RETRYING
            world.waits_for_the_retry()
    assert world.status.phase is Phase.FAILED
    assert world.status.attempts.train == 3
    assert (world.status.attempts.counted, world.status.attempts.disrupted) == (0, 3)
    assert world.status.excluded_nodes == ("node-a", "node-b", "node-c")


def test_a_run_whose_only_node_has_no_usable_gpu_ends_too() -> None:
    world = World()
    world.reaches_training()
    for _ in range(3):
        fails_of_its_node(world, "node-a")
        if world.status.phase is Phase.RETRYING:
            world.waits_for_the_retry()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "GPUUnavailable")
    assert "3 times in a row" in world.message
    assert world.status.excluded_nodes == ("node-a",)


def test_the_newest_of_many_failed_nodes_are_avoided() -> None:
    world = World()
    world.reaches_training()
    for number in range(6):
        fails_of_its_node(world, f"node-{number}", 75, "GPUFault")
        point = {"epoch": 0, "iteration": 10 + number, "uri": "s3://tables/iteration.pth"}
        world.run["status"]["resumePoints"] = [point]
        world.waits_for_the_retry()
    world.visits()
    assert avoided(world) == [f"node-{number}" for number in range(2, 6)]


def test_a_training_that_runs_out_of_gpu_memory_is_tried_once_more() -> None:
    world = World()
    world.reaches_training()
    for phase in (Phase.RETRYING, Phase.FAILED):
        world.visits()
        world.worker_runs()
        world.worker_exits(86, says="the GPU ran out of memory: use a larger one")
        world.visits()
        assert world.status.phase is phase
        if phase is Phase.RETRYING:
            world.waits_for_the_retry()
    assert world.reason == "CudaOOM"
    assert "use a larger one" in world.message
    assert world.status.attempts.counted == 2


def test_the_same_words_of_the_worker_twice_end_the_run() -> None:
    world = World()
    for _ in range(2):
        world.visits()
        world.worker_runs()
        world.worker_exits(1, says="KeyError: 'bbox'")
        world.visits()
        if world.status.phase is Phase.RETRYING:
            world.waits_for_the_retry()
    assert world.status.phase is Phase.FAILED
    assert "twice in the same way" in world.message
    assert len(world.created) == 2


def test_an_exit_code_without_any_words_is_retried_up_to_the_limit() -> None:
    world = World(retry={"limit": 3})
    for _ in range(2):
        world.visits()
        world.worker_runs()
        world.worker_exits(1)
        world.visits()
        world.waits_for_the_retry()
    assert world.status.phase is Phase.RETRYING


def failure(**fields: Any) -> LastFailure:
    base = {
        "stage": Stage.TRAIN,
        "attempt": 1,
        "failure_class": "Transient",
        "reason": "",
        "message": "",
        "time": START,
    }
    return LastFailure(**{**base, **fields})


def test_failures_in_a_row_are_counted_by_class_and_stage() -> None:
    diagnosis = Diagnosis(
        failure_class=FailureClass.TRANSIENT,
        counted=True,
        action=Action.RETRY,
        at_most=None,
        stops_when_repeated=False,
        excludes_node=False,
        reason="",
        message="",
        exit_code=75,
        node=None,
    )
    assert decide_retry(diagnosis, failure(consecutive=4), Stage.TRAIN, counted=0, limit=9).consecutive == 5
    assert decide_retry(diagnosis, failure(consecutive=4), Stage.PREPROCESS, counted=0, limit=9).consecutive == 1
    assert decide_retry(diagnosis, failure(failure_class="Evicted"), Stage.TRAIN, counted=0, limit=9).consecutive == 1
    assert decide_retry(diagnosis, None, Stage.TRAIN, counted=0, limit=9).consecutive == 1
    assert (
        decide_retry(diagnosis, failure(consecutive=4), Stage.TRAIN, counted=0, limit=9, progressed=True).consecutive
        == 1
    )


def test_the_delay_doubles_up_to_a_ceiling_with_jitter_that_can_be_repeated() -> None:
    base = timedelta(seconds=10)
    delays = [(retry_time(START, base, nth, "uid", nth) - START).total_seconds() for nth in range(1, 40)]
    for nth, delay in enumerate(delays, 1):
        exact = min(10 * 2 ** (nth - 1), 600)
        assert 0.8 * exact - 1 <= delay <= 1.2 * exact + 1
    assert retry_time(START, base, 3, "uid", 3) == retry_time(START, base, 3, "uid", 3)
    assert retry_time(START, base, 3, "uid", 3) != retry_time(START, base, 3, "uid", 4)


def test_a_backoff_above_the_ceiling_is_kept() -> None:
    hour = timedelta(hours=1)
    assert retry_time(START, hour, 5, "uid") - START >= timedelta(minutes=48)
