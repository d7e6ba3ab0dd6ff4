"""A run whose Jobs another controller runs where no pod is seen, as MultiKueue does."""

from __future__ import annotations

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core import usage
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase

MULTIKUEUE = "kueue.x-k8s.io/multikueue"


@pytest.fixture
def world() -> World:
    found = World(managedBy=MULTIKUEUE)
    found.visits()
    return found


def test_the_jobs_name_who_runs_them(world: World) -> None:
    assert world.job["spec"]["managedBy"] == MULTIKUEUE
    world.waits(3600)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, "WaitingForPod")
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE, "no pod is to be expected here"
    assert f"waits for {MULTIKUEUE} to run Job" in world.message


def test_a_job_that_is_complete_elsewhere_brings_the_run_forward_and_the_status_claims_nothing(world: World) -> None:
    world.job["status"] = {"ready": 1}
    world.visits()
    assert world.status.phase is Phase.PREPROCESSING
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    dataset = world.condition(ConditionType.DATASET_READY)
    assert (dataset.status, dataset.reason) == (ConditionStatus.UNKNOWN, "CompletedElsewhere")
    assert "its manifest should be s3://tables/datasets/demo/ttv/manifest.json" in dataset.message
    assert len(world.created) == 2, "training begins"
    world.job["status"] = {"ready": 1}
    world.visits()
    assert (world.status.phase, world.status.stage) == (Phase.TRAINING, "train")
    assert world.condition(ConditionType.DATASET_READY) == dataset
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    assert (world.status.phase, world.reason, world.status.model) == (Phase.SUCCEEDED, "CompletedElsewhere", None)
    trained = world.condition(ConditionType.TRAINED)
    assert (trained.status, trained.reason) == (ConditionStatus.UNKNOWN, "CompletedElsewhere")
    assert "s3://tables/models/demo/tables.pth.manifest.json" in trained.message
    assert world.condition(ConditionType.COMPLETE).status is ConditionStatus.TRUE
    assert world.status.attempts.counted == 0
    assert world.condition(ConditionType.DATASET_READY) == dataset.model_copy(
        update={"observed_generation": dataset.observed_generation}
    )


def test_a_dataset_that_was_made_elsewhere_is_reviewed_too() -> None:
    world = World(managedBy=MULTIKUEUE, review={"required": True})
    world.visits()
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    assert (world.status.phase, len(world.created)) == (Phase.AWAITING_REVIEW, 1)
    world.changes_spec(review={"required": True, "approved": True})
    world.visits()
    assert len(world.created) == 2


def test_a_worker_elsewhere_has_started_in_time() -> None:
    world = World(managedBy=MULTIKUEUE, deadlines={"start": "60s"})
    world.visits()
    world.job["status"] = {"ready": 1, "startTime": world.now.isoformat()}
    world.waits(3600)
    world.visits()
    assert world.status.phase is Phase.PREPROCESSING


def test_nothing_is_known_of_gpus_elsewhere(world: World) -> None:
    world.job["status"] = {"ready": 1}
    world.visits()
    world.job_ends("Complete", "CompletionsReached")
    world.visits()
    world.job["status"] = {"ready": 1}
    world.visits()
    assert usage.gpus(world.observed()) == usage.Gpus()


def test_a_job_that_fails_elsewhere_is_judged_by_what_it_says_itself(world: World) -> None:
    said = "Container worker for pod demo/tables failed with exit code 65 matching FailJob rule at index 1"
    world.job_ends("Failed", "PodFailurePolicy", said)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "DataError")


def test_a_failure_elsewhere_of_unknown_cause_counts_and_is_tried_again(world: World) -> None:
    world.job_ends("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    world.visits()
    failure = world.status.last_failure
    assert failure is not None
    assert (world.status.phase, failure.failure_class) == (Phase.RETRYING, "FailedElsewhere")
    assert failure.message == (
        f"{MULTIKUEUE} ran the Job where this operator sees no pods, and it failed: "
        "Job has reached the specified backoff limit"
    )
    assert world.status.attempts.counted == 1


def test_a_controller_that_makes_its_pods_here_is_believed_by_them() -> None:
    world = World(managedBy="example.org/gangs")
    world.succeeds()
    assert (world.status.phase, world.reason) == (Phase.SUCCEEDED, "ModelPublished")
    assert world.status.model is not None


def test_the_clusters_own_controller_may_be_named() -> None:
    world = World(managedBy="kubernetes.io/job-controller")
    world.visits()
    world.job["status"] = {"startTime": world.now.isoformat()}
    world.waits(3600)
    world.visits()
    assert world.reason == "PodNotCreated"
