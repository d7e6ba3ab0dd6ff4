"""What follows from deadlines that have passed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import World, training_on_two_nodes
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
MINUTE = 60


def waiting_for_a_gpu(**deadlines: str) -> World:
    world = World(deadlines=deadlines)
    world.reaches_training()
    world.visits()
    world.job_starts()
    world.pod_is_unschedulable(NO_GPU)
    world.visits()
    return world


def training(**deadlines: str) -> World:
    world = World(deadlines=deadlines)
    world.reaches_training()
    world.job_starts()
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING
    return world


def ended(world: World) -> bool:
    return world.job["spec"].get("activeDeadlineSeconds") == 0


# -- start


def test_the_message_says_when_the_attempt_fails_and_the_visit_comes_then() -> None:
    world = waiting_for_a_gpu(start="10m")
    assert world.message.endswith("; the attempt fails at 2026-01-01T12:10:00Z (spec.deadlines.start)")
    world.waits(7 * MINUTE)
    after = world.visits().requeue_after
    assert after is not None
    assert timedelta(minutes=3) <= after < timedelta(minutes=3, seconds=1)
    assert world.status.phase is Phase.QUEUED


def test_an_attempt_that_does_not_start_fails_and_says_what_it_waited_for() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.waits(10 * MINUTE + 1)
    world.visits_once()
    failure = world.status.last_failure
    assert failure is not None
    assert failure.failure_class == "StartDeadlineExceeded"
    assert "within spec.deadlines.start of 10m: training waits for 1 x nvidia.com/gpu" in failure.message
    assert (world.status.phase, world.status.attempts.counted) == (Phase.RETRYING, 1)
    assert ended(world)


def test_the_next_attempt_comes_once_the_job_has_ended() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.waits(10 * MINUTE + 1)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    assert len(world.created) == 2
    world.job_has_ended()
    world.visits()
    assert len(world.created) == 3
    assert world.status.attempts.counted == 1


def test_a_run_whose_retries_are_used_up_leaves_no_job_that_could_start() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.changes_spec(retry={"limit": 0})
    world.waits(10 * MINUTE + 1)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "RetryLimitReached")
    assert ended(world)


def test_an_operator_that_dies_before_it_wrote_the_failure_writes_it_later() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.waits(10 * MINUTE + 1)
    world.visits_once(dies_before_status=True)
    assert ended(world)
    world.job_has_ended()
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "StartDeadlineExceeded"


def test_a_node_that_cannot_pull_the_image_is_avoided_by_the_next_attempt() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.container_waits("ImagePullBackOff", "back-off")
    world.waits(10 * MINUTE + 1)
    world.visits()
    assert world.status.excluded_nodes == ("node-1",)


def test_the_registrys_answer_stays_beside_the_deadline() -> None:
    world = waiting_for_a_gpu(start="10m")
    world.container_waits("ErrImagePull", "unauthorized")
    world.visits()
    for _ in range(2):
        world.container_waits("ImagePullBackOff", "back-off")
        world.visits()
    assert world.message.count("unauthorized") == 1
    assert world.message.count("spec.deadlines.start") == 1


def test_a_worker_that_runs_has_started_in_time() -> None:
    world = training(start="10m")
    world.waits(300 * MINUTE)
    world.visits()
    assert world.status.phase is Phase.TRAINING
    assert "spec.deadlines" not in world.message


def test_one_node_of_a_training_that_finds_no_place_fails_the_attempt_of_both() -> None:
    world = training_on_two_nodes()
    world.changes_spec(deadlines={"start": "10m"})
    world.job_starts()
    pod = world.shard(1)
    pod["status"] = {"phase": "Pending"}
    world.waits(11 * MINUTE)
    world.visits()
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "StartDeadlineExceeded"
    assert ended(world)


# -- active


def test_a_run_that_is_active_for_too_long_fails_once_its_pods_have_stopped() -> None:
    world = training(active="2h")
    assert world.message.endswith("; the run fails at 2026-01-01T14:00:00Z (spec.deadlines.active)")
    world.waits(120 * MINUTE)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.TRAINING, "DeadlineExceeded")
    assert ended(world)
    assert world.visits().end == (), "it is told once"
    world.job_has_ended()
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert "longer than spec.deadlines.active of 2h" in world.message
    assert world.condition(ConditionType.FAILED).status is ConditionStatus.TRUE
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "DeadlineExceeded"


def test_the_visit_comes_when_the_runs_time_is_up() -> None:
    world = waiting_for_a_gpu(active="2h")
    world.waits(119 * MINUTE)
    assert world.visits().requeue_after == timedelta(minutes=1)


def test_the_last_checkpoint_stays_in_the_status() -> None:
    world = training(active="2h")
    world.waits(120 * MINUTE)
    world.visits()
    point = {"epoch": 1, "iteration": 9, "uri": "s3://tables/c/iteration_9.pth"}
    last = {"attempt": 1, "sequence": 9, "stage": "train", "resumePoints": [point]}
    says = (
        '{"version": 1, "stage": "train", "result": "failed", "exitCode": 143, "reason": "Interrupted", "progress": %s}'
    )
    world.pod_ends(143, says % str(last).replace("'", '"'))
    world.job_ends("Failed", "DeadlineExceeded")
    world.visits()
    assert world.status.phase is Phase.FAILED
    assert [each.iteration for each in world.status.resume_points] == [9]


def test_a_model_that_is_published_in_the_last_moment_counts() -> None:
    world = training(active="2h")
    world.waits(120 * MINUTE)
    world.visits()
    world.worker_publishes()
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED


def test_a_run_between_two_attempts_fails_with_what_the_last_one_failed_of() -> None:
    world = training(active="2h")
    world.worker_exits(75, says="S3 is away")
    world.visits()
    world.waits(120 * MINUTE)
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert "Transient: S3 is away" in world.message
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == "Transient"


def test_a_job_that_others_hold_is_ended_before_the_run_fails() -> None:
    world = World(deadlines={"active": "2h"}, training={"podTemplate": {"labels": {"kueue.x-k8s.io/queue-name": "q"}}})
    world.reaches_training()
    world.job["spec"]["suspend"] = True
    world.visits()
    assert world.status.phase is Phase.QUEUED
    world.waits(121 * MINUTE)
    world.visits_once()
    assert ended(world)
    world.visits()
    assert world.status.phase is Phase.FAILED


def test_a_pod_that_cannot_be_stopped_is_named_and_the_run_is_not_over() -> None:
    world = training(active="2h")
    world.waits(120 * MINUTE)
    world.visits()
    world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.waits(2 * MINUTE)
    world.visits()
    assert world.reason == "NodeUnreachable"
    assert not world.status.is_terminal


def test_time_in_which_the_run_waits_for_people_does_not_count() -> None:
    world = World(deadlines={"active": "2h"}, review={"required": True})
    world.reaches_training()
    world.waits(1000 * MINUTE)
    world.visits()
    assert world.status.phase is Phase.AWAITING_REVIEW
    world.changes_spec(review={"approved": True}, suspend=True)
    world.visits()
    world.waits(1000 * MINUTE)
    world.changes_spec(suspend=False)
    world.visits()
    assert world.status.paused_seconds == 2000 * MINUTE
    assert not world.status.is_terminal
    world.waits(120 * MINUTE)
    world.visits()
    assert world.reason == "DeadlineExceeded"


@pytest.mark.parametrize("deadlines", [{"start": "10m"}, {"active": "2h"}, {"start": "10m", "active": "2h"}])
def test_a_deadline_that_is_raised_in_time_does_not_pass(deadlines: dict[str, str]) -> None:
    world = waiting_for_a_gpu(**deadlines)
    world.waits(9 * MINUTE)
    world.changes_spec(deadlines=dict.fromkeys(deadlines, "100h"))
    world.waits(1000 * MINUTE)
    world.visits()
    assert world.status.phase is Phase.QUEUED


def test_a_run_without_deadlines_waits_for_ever() -> None:
    world = waiting_for_a_gpu()
    world.waits(10**7)
    world.visits()
    assert world.status.phase is Phase.QUEUED
