"""Which checkpoints a training can go on from."""

from typing import Any

import pytest

from training.errors import ConfigError
from training.train.resume_position import Settings, resumed_iteration

OPTIMIZER = {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}, "clip_grad": {"max_norm": 35}}
SCHEDULE = [
    {"type": "LinearLR", "by_epoch": False, "end": 6, "start_factor": 0.5},
    {"type": "MultiStepLR", "milestones": [1], "end": 2, "gamma": 0.1},
]
SETTINGS = Settings(
    seed=0,
    demo=False,
    batch_size=2,
    iterations_per_epoch=10,
    epochs=2,
    optim_wrapper=OPTIMIZER,
    param_scheduler=SCHEDULE,
)


def meta(epoch: int, iteration: int, **settings: Any) -> dict[str, Any]:
    """Of a checkpoint of ours, or of mmengine's own where `settings` is empty."""
    recorded = {"training": {"settings": {**SETTINGS.in_checkpoint(), **settings}}} if settings else {}
    return {"epoch": epoch, "iter": iteration, "seed": 0, **recorded}


@pytest.mark.parametrize(("epoch", "iteration"), [(1, 10), (1, 15), (2, 20), (0, 3)])
def test_a_position_within_the_epochs_asked_for_is_continued(epoch: int, iteration: int) -> None:
    assert resumed_iteration(meta(epoch, iteration), SETTINGS, what="it") == iteration
    assert resumed_iteration(meta(epoch, iteration, seed=0), SETTINGS, what="it") == iteration


def test_between_epochs_the_batch_size_may_change_as_it_does_with_the_number_of_gpus() -> None:
    found = meta(1, 20, batch_size=1, iterations_per_epoch=20)
    assert resumed_iteration(found, SETTINGS, what="it") == 10


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (meta(1, 10, seed=7), "seed 7 instead of 0"),
        (meta(1, 15, demo=True, batch_size=4), "demo True instead of False, batch size 4 instead of 2"),
        (meta(1, 21, batch_size=1, iterations_per_epoch=20), "batch size 1 instead of 2, iterations per epoch 20"),
        (meta(1, 10, iterations_per_epoch=5), "iterations per epoch 5 instead of 10"),
        ({**meta(1, 10), "seed": 3}, "seed 3 instead of 0"),
        (meta(1, 25), "iteration 25 in epoch 1, where an epoch has 10 iterations here"),
        (meta(3, 20), "iteration 20 in epoch 3"),
        (meta(3, 30), "3 epochs behind it, more than the 2 asked for; raise --num-epoch"),
        (meta(2, 25), "2.5 epochs behind it"),
        (meta(1, 10, optim_wrapper={"optimizer": {"type": "AdamW"}}), "optimizer AdamW instead of SGD;"),
        (
            meta(1, 10, optim_wrapper={**OPTIMIZER, "paramwise_cfg": {"norm_decay_mult": 0}}),
            "paramwise_cfg {'norm_decay_mult': 0} instead of None",
        ),
        (
            meta(1, 10, param_scheduler=[SCHEDULE[0], {**SCHEDULE[1], "gamma": 0.5}]),
            "param_scheduler.1.gamma 0.5 instead of 0.1",
        ),
        (
            meta(1, 10, param_scheduler=[{**SCHEDULE[0], "end": 5}, SCHEDULE[1]]),
            "param_scheduler.0.end 5 instead of 6",
        ),
        (meta(1, 10, param_scheduler=SCHEDULE[:1]), "param_scheduler.1.type None instead of MultiStepLR"),
    ],
)
def test_what_differs_is_named_before_anything_is_trained(found: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resumed_iteration(found, SETTINGS, what="The checkpoint x")
    assert str(refused.value).startswith("The checkpoint x ")
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.5, "momentum": 0.9}}}, id="applied"),
        pytest.param({"epochs": 1, "param_scheduler": [{**SCHEDULE[0], "end": 3}, SCHEDULE[1]]}, id="more epochs"),
    ],
)
def test_settings_that_can_be_applied_and_a_schedule_of_other_length_are_continued(changed: dict[str, Any]) -> None:
    assert resumed_iteration(meta(1, 10, **changed), SETTINGS, what="it") == 10
