"""With which settings of the optimizer a training continues."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from training.train.hooks.resumed_optimizer import ResumedOptimizerHook, adapt


def group(*, lr: float, initial_lr: float | None = None, **more: Any) -> dict[str, Any]:
    scheduled = {} if initial_lr is None else {"initial_lr": initial_lr}
    return {"params": [], "lr": lr, "weight_decay": 0.5, **more, **scheduled}


def test_a_scheduled_learning_rate_keeps_its_place_in_the_schedule() -> None:
    saved = [group(lr=0.0625, initial_lr=0.5), group(lr=0.125, initial_lr=1.0)]
    scheduler = {"param_name": "lr", "base_values": [0.5, 1.0], "_last_value": [0.0625, 0.125], "last_step": 7}
    # A warm-up has lowered the fresh learning rates already.
    changes = adapt(saved, [group(lr=0.25, initial_lr=1.0), group(lr=0.1, initial_lr=2.0)], [scheduler])
    assert [(one["lr"], one["initial_lr"]) for one in saved] == [(0.125, 1.0), (0.25, 2.0)]
    assert scheduler == {"param_name": "lr", "base_values": [1.0, 2.0], "_last_value": [0.125, 0.25], "last_step": 7}
    assert changes == ["lr 0.125 instead of 0.0625", "lr 0.25 instead of 0.125"]


def test_without_a_schedule_the_config_counts() -> None:
    saved = [group(lr=0.5, betas=(0.9, 0.999))]
    changes = adapt(saved, [group(lr=0.25, betas=(0.8, 0.999), weight_decay=0.0)], [])
    assert saved == [group(lr=0.25, betas=(0.8, 0.999), weight_decay=0.0)]
    assert changes == [
        "lr 0.25 instead of 0.5",
        "weight_decay 0.0 instead of 0.5",
        "betas (0.8, 0.999) instead of (0.9, 0.999)",
    ]


def test_with_the_same_settings_nothing_changes_by_a_bit() -> None:
    saved, fresh = [group(lr=0.1 / 3, initial_lr=0.1)], [group(lr=0.05, initial_lr=0.1)]
    scheduler = {"param_name": "lr", "base_values": [0.1], "_last_value": [0.1 / 3]}
    assert adapt(saved, fresh, [scheduler]) == []
    assert saved == [group(lr=0.1 / 3, initial_lr=0.1)]
    assert scheduler == {"param_name": "lr", "base_values": [0.1], "_last_value": [0.1 / 3]}


def test_a_checkpoint_is_changed_before_it_is_read_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    runner = SimpleNamespace(optim_wrapper=SimpleNamespace(param_groups=[group(lr=0.2), group(lr=0.2)]))
    optimizer = {"param_groups": [group(lr=0.1)], "base_param_settings": group(lr=0.1), "loss_scaler": {}}
    ResumedOptimizerHook().after_load_checkpoint(runner, {"optimizer": optimizer})
    assert optimizer == {"param_groups": [group(lr=0.2)], "base_param_settings": group(lr=0.2)}
    assert "the optimizer continues with lr 0.2 instead of 0.1" in caplog.text


def test_base_weights_bring_no_optimizer() -> None:
    ResumedOptimizerHook().after_load_checkpoint(SimpleNamespace(), {"state_dict": {}})
