"""A preprocess stage that several pods share, as decisions over plain data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator.world import DATASET, World, termination
from trainingrun_operator.core.resource.status import Phase, Stage

SHARE = termination("preprocess", shard={"index": 0, "of": 3, "documents": 7})


def published(**fields: Any) -> str:
    return termination("preprocess", dataset={**DATASET, **fields})


def failed(code: int, message: str) -> str:
    return termination("preprocess", "failed", exitCode=code, message=message)


@pytest.fixture
def world() -> World:
    """Three pods at work."""
    found = World(dataset={"parallelism": 3})
    found.visits()
    for index in range(3):
        found.worker_runs(index=index)
    found.visits()
    return found


def shard_ends(world: World, index: int, code: int, message: str = "", **conditions: str) -> None:
    world.pod_ends(code, message, pod=world.shard(index), **conditions)


def job_fails(
    world: World, reason: str = "MaxFailedIndexesExceeded", message: str = "", failed_indexes: str = ""
) -> None:
    world.job_ends("Failed", reason, message, failedIndexes=failed_indexes)


def is_stopped(world: World, index: int) -> None:
    """As the Job controller does it to the others when the Job has failed."""
    world.shard(index)["metadata"]["deletionTimestamp"] = world.now.isoformat()
    shard_ends(world, index, 143, failed(143, "told to stop"))


@pytest.mark.parametrize("who", [0, 1, 2])
def test_the_stage_is_done_when_any_of_the_pods_has_published(world: World, who: int) -> None:
    for index in range(3):
        shard_ends(world, index, 0, published() if index == who else SHARE)
    world.visits()
    assert world.status.stage is Stage.PREPROCESS, "the Job is not complete"
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    assert world.status.stage is Stage.TRAIN
    assert world.status.dataset is not None


def test_the_pod_that_made_the_dataset_is_believed_before_those_that_found_it_made(world: World) -> None:
    for index in range(3):
        shard_ends(world, index, 0, published(cacheHit=index != 1))
    world.job_ends("Complete")
    world.visits()
    assert world.status.dataset is not None
    assert world.status.dataset.cache_hit is False


def test_where_all_found_it_made_it_was_made_before(world: World) -> None:
    for index in range(3):
        shard_ends(world, index, 0, published(cacheHit=True))
    world.job_ends("Complete")
    world.visits()
    assert world.status.dataset is not None
    assert world.status.dataset.cache_hit is True


def test_shares_alone_are_no_result(world: World) -> None:
    for index in range(3):
        shard_ends(world, index, 0, SHARE)
    world.job_ends("Complete")
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "NoResult"


def test_a_share_that_nobody_read_may_have_been_the_one_with_the_result(world: World) -> None:
    shard_ends(world, 2, 0)
    world.pod_is_deleted()
    world.gone.clear()
    for index in range(2):
        shard_ends(world, index, 0, SHARE)
    world.job_ends("Complete")
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "ResultLost"


@pytest.mark.parametrize("code", [1, 75, 137, 65])
def test_a_pod_that_failed_does_not_end_the_attempt_while_its_job_goes_on(world: World, code: int) -> None:
    shard_ends(world, 1, code, failed(code, "no"))
    world.visits()
    assert world.status.last_failure is None
    assert world.status.phase is Phase.PREPROCESSING
    world.worker_runs(index=1)
    world.visits()
    assert world.message == "preprocess runs in 3 of 3 pods"
    for index in range(3):
        shard_ends(world, index, 0, published() if index == 1 else SHARE)
    world.job_ends("Complete")
    world.visits()
    assert world.status.stage is Stage.TRAIN
    assert (world.status.attempts.counted, world.status.attempts.preprocess) == (0, 1)


def test_the_pod_that_failjob_names_is_diagnosed_and_no_other(world: World) -> None:
    shard_ends(world, 0, 75, failed(75, "S3 answered 503"))
    shard_ends(world, 1, 65, failed(65, "11 of 20 documents are unusable"))
    is_stopped(world, 2)
    name = world.shard(1)["metadata"]["name"]
    message = f"Container worker for pod demo/{name} failed with exit code 65 matching FailJob rule at index 1"
    job_fails(world, "PodFailurePolicy", message)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "DataError")
    assert "11 of 20 documents" in world.message


def test_a_named_pod_that_is_gone_unread_is_told_by_its_exit_code(world: World) -> None:
    shard_ends(world, 0, 75, failed(75, "S3 answered 503"))
    message = "Container worker for pod demo/vanished failed with exit code 77 matching FailJob rule at index 1"
    job_fails(world, "PodFailurePolicy", message)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "Forbidden")


def test_the_last_pod_of_the_shard_that_was_given_up_is_diagnosed(world: World) -> None:
    for code, words in ((1, "first"), (1, "second"), (75, "third")):
        shard_ends(world, 1, code, failed(code, words))
        world.waits(10)
        if words != "third":
            world.worker_runs(index=1)
    shard_ends(world, 0, 137, DisruptionTarget="EvictionByEvictionAPI")
    is_stopped(world, 2)
    job_fails(world, failed_indexes="1")
    world.visits()
    failure = world.status.last_failure
    assert failure is not None
    assert (failure.failure_class, failure.message) == ("Transient", "third")
    assert world.status.attempts.counted == 1


def test_without_a_word_of_the_job_a_pod_that_was_stopped_is_blamed_last(world: World) -> None:
    shard_ends(world, 1, 137)
    world.waits(5)
    is_stopped(world, 0)
    shard_ends(world, 2, 137, DisruptionTarget="PreemptionByScheduler")
    job_fails(world)
    world.visits()
    assert world.reason == "Killed"


def test_a_failed_attempt_is_not_followed_while_one_of_its_pods_still_works(world: World) -> None:
    shard_ends(world, 1, 75)
    job_fails(world, failed_indexes="1")
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    assert "waits for pod" in world.message
    is_stopped(world, 0)
    is_stopped(world, 2)
    world.visits()
    assert len(world.created) == 2


def test_a_shards_final_report_is_not_taken_for_the_progress_of_the_stage(world: World) -> None:
    progress = {"attempt": 1, "sequence": 9, "stage": "preprocess", "percent": 12.0, "final": True}
    shard_ends(world, 1, 75, termination("preprocess", "failed", exitCode=75, progress=progress))
    job_fails(world, failed_indexes="1")
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.progress is None


def test_the_status_says_how_many_pods_are_at_work_and_where() -> None:
    world = World(dataset={"parallelism": 4})
    world.visits()
    world.worker_runs(index=0)
    world.visits()
    assert (world.status.node, world.message) == ("node-1", "preprocess runs in 1 of 4 pods")
    world.worker_runs(index=1, node="node-2")
    world.worker_runs(index=2, node="node-2")
    world.pod_ends(0, SHARE)
    pod = world.pod_appears(index=3)
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: no cpu"}
    pod["status"]["conditions"] = [unplaced]
    world.visits()
    assert world.status.node == "2 nodes"
    assert (
        world.message
        == "preprocess runs in 2 of 4 pods; 1 has ended; preprocess waits for a node that fits: 0/2 nodes: no cpu"
    )
    assert world.status.phase is Phase.PREPROCESSING


@pytest.mark.parametrize(
    ("other", "phase", "reason"),
    [
        ("starts", Phase.PENDING, "ImagePullFailed"),
        ("waits", Phase.PENDING, "ImagePullFailed"),
        ("runs", Phase.PREPROCESSING, "Preprocessing"),
    ],
)
def test_a_pod_that_needs_help_is_told_of_before_those_that_wait(other: str, phase: Phase, reason: str) -> None:
    world = World(dataset={"parallelism": 2})
    world.visits()
    stuck = world.pod_appears(index=0)
    waiting = {"reason": "ErrImagePull", "message": "manifest unknown"}
    stuck["status"]["containerStatuses"] = [{"name": "worker", "state": {"waiting": waiting}}]
    if other == "starts":
        world.pod_appears(index=1)
    elif other == "waits":
        world.pod_is_unschedulable("0/1 nodes")
    else:
        world.worker_runs(index=1)
    world.visits()
    assert (world.status.phase, world.reason) == (phase, reason)
    assert "manifest unknown" in world.message
