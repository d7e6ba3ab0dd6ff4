"""What several hooks read of an iteration."""

from collections.abc import Mapping
from typing import Any

import torch


def loss_of(outputs: Mapping[str, Any] | None) -> float:
    """The loss of the iteration that gave these outputs; 0 where it names none."""
    return float(torch.as_tensor((outputs or {}).get("loss", 0.0)).detach())


def learning_rate_of(runner: Any) -> float | None:
    """That of the first group of weights; a config may have several."""
    rates = runner.optim_wrapper.get_lr().items()
    return next((float(values[0]) for name, values in rates if name.endswith("lr") and values), None)
