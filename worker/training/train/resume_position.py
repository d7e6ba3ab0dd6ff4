"""Checks whether a training can resume from a checkpoint, and at which iteration. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from training.errors import ConfigError

_COUNTED = ("seed", "demo", "batch_size", "iterations_per_epoch")
_BATCHES = ("batch_size", "iterations_per_epoch")
_LENGTHS = ("end", "milestones")  # of a schedule: the trainer derives them from the number of epochs and iterations


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the state in a checkpoint depends on.

    On the first four depends what an iteration number means: if one differs, it is another point in the training.
    `optim_wrapper` and `param_scheduler` are those of the bound config, as JSON.
    """

    seed: int
    demo: bool
    batch_size: int  # over all ranks
    iterations_per_epoch: int
    epochs: int
    optim_wrapper: Mapping[str, Any]
    param_scheduler: Any  # a scheduler, a list of them, or None

    def in_checkpoint(self) -> dict[str, Any]:
        """In the form that a checkpoint's meta holds under `training.settings`."""
        return asdict(self)


def resumed_iteration(meta: Mapping[str, Any], settings: Settings, *, what: str) -> int:
    """The iteration at which a training with these settings resumes from a checkpoint with this `meta`; `what` names
    the checkpoint in messages.

    Settings must be those of the checkpoint, with these exceptions: at the end of an epoch the batch size may differ,
    as it does with another number of GPUs; the iteration is then counted anew from the complete epochs. The number of
    epochs may be raised. Of the optimizer only the kind and its groups of parameters must be the same: the hook
    `resumed_optimizer` applies the rest. A checkpoint that mmengine itself wrote records only the seed; apart from
    that, its iteration must lie in its epoch.

    Raises ConfigError if a training cannot resume from the checkpoint.
    """
    recorded = {"seed": meta.get("seed"), **meta.get("training", {}).get("settings", {})}
    epoch, iteration, batches = int(meta["epoch"]), int(meta["iter"]), settings.iterations_per_epoch
    is_between_epochs = iteration == epoch * int(recorded.get("iterations_per_epoch", -1))
    ours = settings.in_checkpoint()
    differing = [
        f"{name.replace('_', ' ')} {recorded[name]} instead of {ours[name]}"
        for name in _COUNTED
        if recorded.get(name) not in (None, ours[name]) and not (is_between_epochs and name in _BATCHES)
    ]
    if "optim_wrapper" in recorded:
        is_as_long = all(recorded[name] == ours[name] for name in ("epochs", "iterations_per_epoch"))
        then, now = _recipe(recorded, with_lengths=is_as_long), _recipe(ours, with_lengths=is_as_long)
        differing += [
            f"{name} {then.get(name)} instead of {now.get(name)}"
            for name in {**then, **now}
            if then.get(name) != now.get(name)
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
    if iteration > settings.epochs * batches:
        raise ConfigError(
            f"{what} has {iteration / batches:.4g} epochs behind it, more than the {settings.epochs} asked for; raise "
            f"--num-epoch or name an earlier checkpoint."
        )
    return iteration


def _recipe(settings: Mapping[str, Any], *, with_lengths: bool) -> dict[str, Any]:
    """What the states of the optimizer and of the schedule belong to, by names as in --cfg-options."""
    wrapper, schedulers = settings["optim_wrapper"], settings["param_scheduler"] or []
    found = {"optimizer": (wrapper.get("optimizer") or {}).get("type")}
    found |= {name: wrapper.get(name) for name in ("constructor", "paramwise_cfg")}
    for index, scheduler in enumerate(schedulers if isinstance(schedulers, list) else [schedulers]):
        for name, value in scheduler.items():
            if with_lengths or name not in _LENGTHS:
                found[f"param_scheduler.{index}.{name}"] = value
    return found
