"""Reads the network, the loss and the learning rate of a training, for several hooks and what comes after them."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import is_model_wrapper


def loss_of(outputs: Mapping[str, Any] | None) -> float:
    """The loss in an iteration's outputs; 0 if they have none."""
    return float(torch.as_tensor((outputs or {}).get("loss", 0.0)).detach())


def learning_rate_of(runner: Any) -> float | None:
    """The learning rate of the first parameter group; a config may have several. None if there is none."""
    rates = runner.optim_wrapper.get_lr().items()
    return next((float(values[0]) for name, values in rates if name.endswith("lr") and values), None)


def network_of(runner: Any) -> torch.nn.Module:
    """The network, without the wrapper that it has if there are several ranks."""
    network: torch.nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return network
