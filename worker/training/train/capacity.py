"""Whether a training has room on this machine, asked before its first step. Pure.

Only what is sure is counted: a training that is let through may still need more, for the pages of a step above all.
"""

from dataclasses import dataclass

from training.errors import ConfigError

CHECKPOINTS_ON_DISK = 4  # being written, waiting, being uploaded, read back
MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Need:
    """`weight_bytes` of the network; the optimizer keeps `states` numbers for each of them, as Adam keeps two."""

    weight_bytes: int
    states: int

    @property
    def checkpoint_bytes(self) -> int:
        """The weights and the optimizer's states."""
        return self.weight_bytes * (1 + self.states)

    @property
    def memory_bytes(self) -> int:
        """Where the network is: beside what a checkpoint holds, a gradient for each weight."""
        return self.weight_bytes * (2 + self.states)


def optimizer_states(kind: str) -> int:
    """How many numbers an optimizer of mmengine's name keeps for each weight."""
    return 2 if kind.startswith(("Adam", "NAdam", "RAdam", "Lamb")) else 1


def check_room(need: Need, *, free_disk_bytes: int, disk: str, free_memory_bytes: int, memory: str) -> None:
    """Raises ConfigError where there is too little; `disk` and `memory` name what is looked at."""
    disk_bytes = CHECKPOINTS_ON_DISK * need.checkpoint_bytes
    if free_disk_bytes < disk_bytes:
        raise ConfigError(
            f"{disk} has {_mebibytes(free_disk_bytes)} free, and checkpoints of {_mebibytes(need.checkpoint_bytes)} "
            f"need {_mebibytes(disk_bytes)}; enlarge the volume or take a smaller network."
        )
    if free_memory_bytes < need.memory_bytes:
        raise ConfigError(
            f"{memory} has {_mebibytes(free_memory_bytes)}, and the network with its gradients and its optimizer alone "
            f"needs {_mebibytes(need.memory_bytes)}; give more or take a smaller network."
        )


def _mebibytes(number: int) -> str:
    return f"{number / MEBIBYTE:,.0f} MiB"
