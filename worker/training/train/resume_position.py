"""Checks whether a training can resume from a checkpoint, and at which iteration. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.errors import ConfigError

_BATCHES = ("batch_size", "iterations_per_epoch")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the meaning of an iteration number depends on: if one differs, it is another point in the training."""

    seed: int
    demo: bool
    batch_size: int  # over all ranks
    iterations_per_epoch: int

    def in_checkpoint(self) -> dict[str, int]:
        """In the form that a checkpoint's meta holds under `training.settings`."""
        return asdict(self)


def resumed_iteration(meta: Mapping[str, Any], settings: Settings, *, epochs: int, what: str) -> int:
    """The iteration at which a training with these settings resumes from a checkpoint with this `meta`; `what` names
    the checkpoint in messages.

    Settings must be those of the checkpoint, but at the end of an epoch the batch size may differ, as it does with
    another number of GPUs: the iteration is then counted anew from the complete epochs. A checkpoint that mmengine
    itself wrote records only the seed; apart from that, its iteration must lie in its epoch.

    Raises ConfigError if a training of `epochs` epochs cannot resume from the checkpoint.
    """
    recorded = {"seed": meta.get("seed"), **meta.get("training", {}).get("settings", {})}
    epoch, iteration, batches = int(meta["epoch"]), int(meta["iter"]), settings.iterations_per_epoch
    is_between_epochs = iteration == epoch * int(recorded.get("iterations_per_epoch", -1))
    differing = [
        f"{name.replace('_', ' ')} {recorded[name]} instead of {value}"
        for name, value in asdict(settings).items()
        if recorded.get(name) not in (None, value) and not (is_between_epochs and name in _BATCHES)
    ]
    if differing:
        raise ConfigError(
            f"{what} was trained with {', '.join(differing)}; continue with what it was trained with, or start afresh "
            f"without --resume-from."
        )
    if is_between_epochs:
        iteration = epoch * batches
    if not 0 <= iteration - epoch * batches < batches:
        raise ConfigError(
            f"{what} stands at iteration {iteration} in epoch {epoch}, where an epoch has {batches} iterations here; "
            f"continue with the dataset and the batch size that it was trained with."
        )
    if iteration > epochs * batches:
        raise ConfigError(
            f"{what} has {iteration / batches:.4g} epochs behind it, more than the {epochs} asked for; raise "
            f"--num-epoch or name an earlier checkpoint."
        )
    return iteration
