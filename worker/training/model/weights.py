"""Files of torch: read without running code of theirs, and checked against a network before training starts."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from mmengine.logging import HistoryBuffer

from training.errors import ConfigError, DataError, WorkerError

_HISTORY_METHODS = ("min", "max", "mean", "current", "statistics")


def allow_mmengine_checkpoints() -> None:
    """Let torch's safe loader read checkpoints that mmengine wrote, which hold the history of their losses.

    They name `getattr`, with which a malicious file could reach anything; what they get instead reaches the methods of
    HistoryBuffer alone.
    """

    def history_method(owner: object, name: str) -> Any:
        if (owner is HistoryBuffer or isinstance(owner, HistoryBuffer)) and name in _HISTORY_METHODS:
            return getattr(owner, name)
        raise pickle.UnpicklingError(f"getattr of {name} is refused")

    reconstruct = numpy.array([0]).__reduce__()[0]
    scalar = numpy.float64(0).__reduce__()[0]
    allowed: list[Any] = [
        HistoryBuffer,
        slice,
        numpy.ndarray,
        numpy.dtype,
        *(type(numpy.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "uint8", "bool")),
        (history_method, "builtins.getattr"),
    ]
    # numpy 2 renamed numpy.core; files name either.
    for function, name in ((reconstruct, "_reconstruct"), (scalar, "scalar")):
        allowed += [(function, f"numpy.core.multiarray.{name}"), (function, f"numpy._core.multiarray.{name}")]
    torch.serialization.add_safe_globals(allowed)


def read(path: Path, *, what: str) -> dict[str, Any]:
    """The content of a file of torch. Raises DataError where it is none or would run code; `what` names it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (WorkerError, MemoryError):
        raise
    except Exception as error:  # a broken pickle fails in any way
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{what} cannot be read as tensors and plain data: {first_line}") from error
    if not isinstance(content, dict):
        raise DataError(f"{what} holds no weights but a {type(content).__name__}.")
    return content


def state_of(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, or the content itself where it is only weights; without DataParallel's prefix."""
    state = content.get("state_dict", content)
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def fitting(weights: Mapping[str, torch.Tensor], network: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Those weights that the network has under the same name and in the same shape."""
    return {name: value for name, value in weights.items() if name in network and network[name].shape == value.shape}


def base_for(
    weights: Mapping[str, torch.Tensor], network: Mapping[str, torch.Tensor], *, what: str
) -> dict[str, torch.Tensor]:
    """The base weights that the network can use: of a detector, or of a classifier for its backbone.

    Raises ConfigError where there are none.
    """
    found = fitting(weights, network) or fitting(
        {f"backbone.{name}": value for name, value in weights.items()}, network
    )
    if not found:
        raise ConfigError(f"{what} fits no layer of the config's network; use the config that it was trained with.")
    return found


def check_resumable(
    content: Mapping[str, Any], network: Mapping[str, torch.Tensor], *, has_schedule: bool, what: str
) -> None:
    """Raise ConfigError where a training cannot be continued from this: weights only, another network, or a schedule
    of the learning rate on one side only.
    """
    needed = ("state_dict", "optimizer", "message_hub")
    if not set(needed) <= set(content) or not {"epoch", "iter"} <= set(content.get("meta", {})):
        raise ConfigError(
            f"{what} holds weights but no training state, so that nothing can be continued; use it with --load-from."
        )
    # mmengine leaves the key out where the config has no param_scheduler.
    if has_schedule != ("param_schedulers" in content):
        raise ConfigError(
            f"{what} was trained {'without' if has_schedule else 'with'} param_scheduler; continue with its own config."
        )
    weights = state_of(content)
    if set(weights) != set(network) or len(fitting(weights, network)) != len(network):
        raise ConfigError(
            f"{what} is of another network than the config's; continue with the config it was trained with."
        )
