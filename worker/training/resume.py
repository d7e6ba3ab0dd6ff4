"""Whether a training can go on from where a checkpoint stands. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a position in a training depends on: with others, the same iteration number is another place."""

    seed: int
    demo: bool
    batch_size: int
    iterations_per_epoch: int

    def in_checkpoint(self) -> dict[str, int]:
        """As a checkpoint's meta holds them under `training.settings`."""
        return asdict(self)


def check_position(meta: Mapping[str, Any], settings: Settings, *, epochs: int, what: str) -> None:
    """Raise ConfigError where a training of `epochs` epochs with these settings cannot go on from a checkpoint's
    `meta`; `what` names the checkpoint.

    One that mmengine wrote itself names its seed only, so that its iteration must at least be one of its epoch.
    """
    recorded = {"seed": meta.get("seed"), **meta.get("training", {}).get("settings", {})}
    differing = [
        f"{name.replace('_', ' ')} {recorded[name]} instead of {value}"
        for name, value in asdict(settings).items()
        if recorded.get(name) not in (None, value)
    ]
    if differing:
        raise ConfigError(
            f"{what} was trained with {', '.join(differing)}; continue with what it was trained with, or start afresh "
            f"without --resume-from."
        )
    epoch, iteration, batches = int(meta["epoch"]), int(meta["iter"]), settings.iterations_per_epoch
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
