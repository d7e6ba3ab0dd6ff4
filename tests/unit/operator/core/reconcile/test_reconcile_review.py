"""The review between preprocess and training."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import DATASET, World
from trainingrun_operator.core.conditions.conditions import MESSAGE_BYTES
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase

APPROVAL = """kubectl patch trainingrun tables -n demo --type merge -p '{"spec":{"review":{"approved":true}}}'"""


@pytest.fixture
def world() -> World:
    """A run whose dataset is to be reviewed."""
    found = World(review={"required": True})
    found.reaches_training()
    return found


def test_training_waits_and_asks_for_no_gpu(world: World) -> None:
    plan = world.visits()
    assert (world.status.phase, world.reason) == (Phase.AWAITING_REVIEW, "AwaitingReview")
    assert [name.split("-")[1] for name in world.created] == ["preprocess"]
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE
    assert world.condition(ConditionType.DATASET_READY).status is ConditionStatus.TRUE
    assert plan.requeue_after is not None
    assert plan.requeue_after >= timedelta(minutes=5)


def test_the_message_says_how_to_approve_and_what_to_look_at(world: World) -> None:
    assert APPROVAL in world.message
    assert str(DATASET["report"]) in world.message
    assert "s3://tables/datasets/demo/pdfs/<document>/draw_ann/" in world.message


def test_the_command_is_whole_however_long_the_addresses_are() -> None:
    world = World(review={"required": True}, dataset={"targetFolder": "t" * 256})
    world.reaches_training()
    assert APPROVAL in world.message
    assert len(world.message.encode()) <= MESSAGE_BYTES


def test_there_is_one_event_when_the_wait_begins_and_no_write_while_it_lasts(world: World) -> None:
    for _ in range(3):
        world.waits(600)
        assert world.visits().status is None
    assert [event.reason for event in world.events].count("AwaitingReview") == 1


def test_training_begins_with_the_approval(world: World) -> None:
    world.changes_spec(review={"approved": True})
    world.visits()
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING


@pytest.mark.parametrize("review", [{"required": True, "approved": True}, {"approved": True}, {}])
def test_a_run_that_needs_no_approval_does_not_wait(review: dict[str, bool]) -> None:
    world = World(review=review)
    world.reaches_training()
    assert len(world.created) == 2
    assert "AwaitingReview" not in [event.reason for event in world.events]


def test_an_approval_that_is_taken_back_stops_no_training(world: World) -> None:
    world.changes_spec(review={"approved": True})
    world.visits()
    world.worker_runs()
    world.visits()
    world.changes_spec(review={"approved": False})
    world.visits()
    assert world.status.phase is Phase.TRAINING
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    assert len(world.created) == 3, "what has been trained on once is trained on again"


def test_suspending_wins_and_the_wait_goes_on_after_it(world: World) -> None:
    world.changes_spec(suspend=True)
    world.visits()
    assert world.status.phase is Phase.SUSPENDED
    world.changes_spec(suspend=False)
    world.visits()
    assert world.status.phase is Phase.AWAITING_REVIEW


def test_a_run_that_is_suspended_when_its_dataset_is_ready_says_so() -> None:
    world = World(review={"required": True})
    world.visits()
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.changes_spec(suspend=True)
    world.visits()
    assert world.status.phase is Phase.SUSPENDED
    assert "AwaitingReview" not in [event.reason for event in world.events]
