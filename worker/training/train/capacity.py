"""Checks before the first step whether disk and memory are large enough for a training. Pure.

Only what is certain is counted: a training that passes may still need more memory, mainly for the images of a step.
"""

from dataclasses import dataclass

from training.errors import ConfigError

CHECKPOINTS_ON_DISK = 4  # being written, waiting, being uploaded, read back
MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a training needs. For each weight of the network the optimizer keeps `states` numbers, as Adam keeps two."""

    weight_bytes: int
    states: int

    @property
    def checkpoint_bytes(self) -> int:
        """Size of a checkpoint: the weights and the optimizer's states."""
        return self.weight_bytes * (1 + self.states)

    @property
    def memory_bytes(self) -> int:
        """Memory for weights, optimizer states and one gradient for each weight, on the network's device."""
        return self.weight_bytes * (2 + self.states)


def optimizer_states(kind: str) -> int:
    """How many numbers the optimizer that the config calls `kind` keeps for each weight."""
    return 2 if kind.startswith(("Adam", "NAdam", "RAdam", "Lamb")) else 1


def check_room(need: Need, *, free_disk_bytes: int, disk: str, memory_bytes: int, memory: str) -> None:
    """Raises ConfigError if disk or memory is too small; `disk` and `memory` name them in the message."""
    disk_bytes = CHECKPOINTS_ON_DISK * need.checkpoint_bytes
    if free_disk_bytes < disk_bytes:
        raise ConfigError(
            f"{disk} has {_mebibytes(free_disk_bytes)} free, and checkpoints of {_mebibytes(need.checkpoint_bytes)} "
            f"need {_mebibytes(disk_bytes)}; enlarge the volume or take a smaller network."
        )
    if memory_bytes < need.memory_bytes:
        raise ConfigError(
            f"{memory} has {_mebibytes(memory_bytes)}, and the network with its gradients and its optimizer alone "
            f"needs {_mebibytes(need.memory_bytes)}; give more or take a smaller network."
        )


def _mebibytes(number: int) -> str:
    return f"{number / MEBIBYTE:,.0f} MiB"
