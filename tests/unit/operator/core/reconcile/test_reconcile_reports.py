"""What a run's status tells of its worker's reports and of its model, as decisions over plain data."""

from __future__ import annotations

from tests.support.operator.world import MODEL, World
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase

L4S = {"name": "NVIDIA L4", "count": 2, "memoryBytes": 23_609_475_072}
RANDOM = {"loaded": False, "message": "training starts from random weights; name better ones in training.loadFrom"}
LOADED = {"loaded": True, "message": "354 of 354 tensors of the backbone are from s3://tables/base.pth"}


def reports(world: World, attempt: int = 1, **fields: object) -> None:
    """What the gateway has written of a worker's report."""
    progress = {"stage": "train", "attempt": attempt, "sequence": 1, "lastUpdateTime": world.now.isoformat()}
    world.run["status"]["progress"] = {**progress, **fields}
    world.visits()


def test_the_status_says_what_training_asks_for_until_its_worker_says_what_it_runs_on() -> None:
    world = World(training={"gpusPerNode": 2})
    world.reaches_training()
    world.worker_runs()
    world.visits()
    assert world.status.gpu == "2 x nvidia.com/gpu"
    reports(world, device=L4S)
    assert world.status.gpu == "2 x NVIDIA L4"
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    world.worker_runs()
    reports(world, attempt=2)
    assert world.status.gpu == "2 x NVIDIA L4", "what is known stays until the next attempt says otherwise"
    reports(world, attempt=2, device={"name": "CPU", "count": 2})
    assert world.status.gpu == "CPU"


def test_a_training_from_random_weights_is_warned_of_once() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    assert world.condition(ConditionType.BASE_WEIGHTS).status is ConditionStatus.UNKNOWN
    for sequence in (1, 2):
        reports(world, sequence=sequence, baseWeights=RANDOM)
    condition = world.condition(ConditionType.BASE_WEIGHTS)
    assert (condition.status, condition.reason) == (ConditionStatus.FALSE, "RandomWeights")
    world.worker_publishes()
    world.visits()
    assert world.condition(ConditionType.BASE_WEIGHTS) == condition
    [event] = [event for event in world.events if event.reason == "RandomWeights"]
    assert event.warning
    assert event.message == RANDOM["message"]


def test_base_weights_that_were_loaded_are_a_condition_without_an_event() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    reports(world, baseWeights=LOADED)
    condition = world.condition(ConditionType.BASE_WEIGHTS)
    assert (condition.status, condition.reason) == (ConditionStatus.TRUE, "Loaded")
    assert condition.message == LOADED["message"]
    assert {event.reason for event in world.events} & {"Loaded", "RandomWeights"} == set()


def test_a_worker_whose_reports_never_came_tells_of_its_device_and_weights_at_its_end() -> None:
    last = {"attempt": 1, "sequence": 9, "stage": "train", "device": L4S, "baseWeights": RANDOM}
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.worker_publishes(progress=last)
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.gpu == "2 x NVIDIA L4"
    assert world.condition(ConditionType.BASE_WEIGHTS).reason == "RandomWeights"
    assert [event.reason for event in world.events if event.warning] == ["RandomWeights"]


def test_what_is_wrong_with_a_model_stands_in_events_and_conditions() -> None:
    warnings = [
        {"reason": "DetectsNothing", "message": "The model finds no table on any test page."},
        {"reason": "BestWasBetter", "message": "Epoch 2 had a bbox_mAP of .4 on val, the published one .3."},
    ]
    uri = f"s3://tables/{'deep/' * 90}tables.pth"
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.worker_publishes(model={**MODEL, "uri": uri, "epoch": 3, "warnings": warnings})
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED
    for kind in (ConditionType.SUCCEEDED, ConditionType.TRAINED, ConditionType.COMPLETE):
        message = world.condition(kind).message
        assert message.startswith("The model finds no table on any test page; Epoch 2 had a bbox_mAP of .4 on val,")
        assert "; the model is at s3://tables/deep/" in message, "as far as there is room"
    told = [(event.reason, event.message) for event in world.events if event.warning]
    assert told == [(warning["reason"], warning["message"]) for warning in warnings]
    assert world.events[-1].reason == "Succeeded"
    assert world.run["status"]["model"] == {**MODEL, "uri": uri, "epoch": 3}


def test_reports_that_stop_are_noticed_without_stopping_anything() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    assert world.condition(ConditionType.REPORTING).status is ConditionStatus.UNKNOWN
    world.run["status"]["progress"] = {
        "stage": "train",
        "attempt": 1,
        "sequence": 1,
        "lastUpdateTime": world.now.isoformat(),
    }
    world.visits()
    assert world.condition(ConditionType.REPORTING).status is ConditionStatus.TRUE
    world.waits(301)
    world.visits()
    assert world.condition(ConditionType.REPORTING).status is ConditionStatus.FALSE
    assert world.status.phase is Phase.TRAINING
