"""A training over several nodes, as decisions over plain data."""

from __future__ import annotations

import pytest

from tests.support.operator.world import World, termination, training_on_two_nodes
from trainingrun_operator.core.resource.status import Phase

MODEL = {"uri": "s3://tables/m.pth", "sha256": "0" * 64, "sizeBytes": 1, "manifest": "s3://tables/m.pth.manifest.json"}
OF_ANOTHER_NODE = termination("train", node={"index": 1, "of": 2})


def failed(code: int, message: str, reason: str = "") -> str:
    return termination("train", "failed", exitCode=code, message=message, reason=reason)


@pytest.fixture
def world() -> World:
    """Two pods that train."""
    return training_on_two_nodes()


def test_a_service_is_made_with_the_job_and_for_no_other_training() -> None:
    for nodes, services in ((1, 0), (2, 1)):
        world = World(training={"nodes": nodes})
        world.reaches_training()
        world.visits()
        assert len(world.services) == services


def test_the_status_tells_of_all_pods(world: World) -> None:
    assert world.status.phase is Phase.TRAINING
    assert "train runs in 2 of 2 pods" in world.message


def test_the_run_succeeds_by_the_word_of_the_first_node(world: World) -> None:
    world.pod_ends(0, OF_ANOTHER_NODE, pod=world.shard(1))
    world.pod_ends(0, termination("train", model=MODEL), pod=world.shard(0))
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.model is not None


def test_all_nodes_without_a_model_are_no_success(world: World) -> None:
    for index in range(2):
        world.pod_ends(0, OF_ANOTHER_NODE, pod=world.shard(index))
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    assert world.status.phase is Phase.RETRYING
    assert world.reason == "NoResult"


@pytest.mark.parametrize("culprit", [0, 1])
def test_what_one_node_failed_of_is_what_the_run_failed_of(world: World, culprit: int) -> None:
    lost = failed(75, "the training processes lost contact", "LostContact")
    world.pod_ends(75, lost, pod=world.shard(1 - culprit))
    world.pod_ends(137, "", pod=world.shard(culprit))
    world.job_ends("Failed", "MaxFailedIndexesExceeded", "", failedIndexes="0-1")
    world.visits()
    assert world.status.phase is Phase.RETRYING
    assert world.reason == "Killed"


@pytest.mark.parametrize("culprit", [0, 1])
def test_the_node_whose_gpu_failed_is_avoided_and_not_the_one_that_lost_contact(world: World, culprit: int) -> None:
    world.shard(culprit)["spec"]["nodeName"] = "with-a-bad-gpu"
    world.pod_ends(139, "", pod=world.shard(1 - culprit))  # NCCL's abort
    world.waits(1)
    world.pod_ends(75, failed(75, "a GPU has fallen off the bus", "GPUFault"), pod=world.shard(culprit))
    world.job_ends("Failed", "MaxFailedIndexesExceeded", "", failedIndexes="0-1")
    world.visits()
    assert world.reason == "GPUFault"
    assert world.status.excluded_nodes == ("with-a-bad-gpu",)


def test_a_disrupted_node_is_not_counted_although_the_others_fail_of_it(world: World) -> None:
    world.pod_ends(137, "", pod=world.shard(1), DisruptionTarget="PreemptionByScheduler")
    world.pod_ends(75, failed(75, "the training processes lost contact", "LostContact"), pod=world.shard(0))
    world.job_ends("Failed", "MaxFailedIndexesExceeded", "", failedIndexes="0")
    world.visits()
    assert world.reason == "Preempted"
    assert world.status.attempts.counted == 0
