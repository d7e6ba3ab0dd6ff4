"""Whether a training can go on from where a checkpoint stands. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.errors import ConfigError

_BATCHES = ("batch_size", "iterations_per_epoch")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a position in a training depends on: with others, the same iteration number is another place."""

    seed: int
    demo: bool
    batch_size: int  # over all ranks
    iterations_per_epoch: int

    def in_checkpoint(self) -> dict[str, int]:
        """As a checkpoint's meta holds them under `training.settings`."""
        return asdict(self)


def resumed_iteration(meta: Mapping[str, Any], settings: Settings, *, epochs: int, what: str) -> int:
    """The number of iterations, of these settings, that lie behind a checkpoint with this `meta`; `what` names it.

    Between two epochs the batch size may change, as it does with the number of GPUs: there a checkpoint is as many
    epochs on, whatever they are divided into. Raises ConfigError where a training of `epochs` epochs cannot go on from
    it. One that mmengine wrote itself names its seed only, so that its iteration must at least be one of its epoch.
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
