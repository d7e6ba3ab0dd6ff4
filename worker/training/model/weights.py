"""Reads torch's weights and checkpoint files without executing code in them, checks that they fit a network, and
writes such files.
"""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from mmengine.logging import HistoryBuffer

from training.errors import ConfigError, DataError, WorkerError
from training.storage.files import local_errors

_HISTORY_METHODS = ("min", "max", "mean", "current", "statistics")


def allow_mmengine_checkpoints() -> None:
    """Let torch's safe loader read checkpoints that mmengine wrote, which hold the history of the losses.

    Such files refer to `getattr`, by which a malicious file could reach anything. The loader gives them a function that
    reaches only methods of HistoryBuffer.
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
    # numpy 2 renamed numpy.core to numpy._core; files may use either name.
    for function, name in ((reconstruct, "_reconstruct"), (scalar, "scalar")):
        allowed += [(function, f"numpy.core.multiarray.{name}"), (function, f"numpy._core.multiarray.{name}")]
    torch.serialization.add_safe_globals(allowed)


def read(path: Path, *, what: str) -> dict[str, Any]:
    """The content of a torch file. `what` names the file in messages.

    Raises DataError if it is no torch file, or would execute code.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (WorkerError, MemoryError):
        raise
    except Exception as error:  # a broken pickle can raise anything
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{what} cannot be read as tensors and plain data: {first_line}") from error
    if not isinstance(content, dict):
        raise DataError(f"{what} holds no weights but a {type(content).__name__}.")
    return content


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write a torch file to the disk. Raises Transient if the disk is full or fails, Forbidden if it is read-only."""
    with local_errors(path), path.open("wb") as file:
        try:
            torch.save(dict(content), file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch's own error tells only of a wrong position in the file
                raise error.__context__ from error
            raise
        file.flush()
        os.fsync(file.fileno())


def state_of(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint's `state_dict`, or of the content itself if it has none; without the prefix `module.`
    of DataParallel.
    """
    state = content.get("state_dict", content)
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def fitting(weights: Mapping[str, torch.Tensor], network: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights whose name and shape are also in the network's state dict."""
    return {name: value for name, value in weights.items() if name in network and network[name].shape == value.shape}


def check_resumable(
    content: Mapping[str, Any], network: Mapping[str, torch.Tensor], *, has_schedule: bool, what: str
) -> None:
    """Raise ConfigError if a training cannot resume from this content: it is only weights, it is of another network, or
    only one of checkpoint and config has a learning-rate schedule.
    """
    needed = ("state_dict", "optimizer", "message_hub")
    if not set(needed) <= set(content) or not {"epoch", "iter"} <= set(content.get("meta", {})):
        raise ConfigError(
            f"{what} holds weights but no training state, so that nothing can be continued; use it with --load-from."
        )
    # mmengine leaves the key out if the config has no param_scheduler.
    if has_schedule != ("param_schedulers" in content):
        raise ConfigError(
            f"{what} was trained {'without' if has_schedule else 'with'} param_scheduler; continue with its own config."
        )
    weights = state_of(content)
    if set(weights) != set(network) or len(fitting(weights, network)) != len(network):
        raise ConfigError(
            f"{what} is of another network than the config's; continue with the config it was trained with."
        )
