"""Continues with the optimizer's settings of the config: a checkpoint's learning rate is that of another batch size, or
of another config.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.hooks import Hook

logger = logging.getLogger(__name__)


class ResumedOptimizerHook(Hook):
    """Changes a checkpoint before mmengine reads its optimizer's and its schedule's state."""

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        if "optimizer" not in checkpoint:
            return  # base weights
        optimizer = checkpoint["optimizer"]
        if not optimizer.get("loss_scaler"):
            optimizer.pop("loss_scaler", None)  # bfloat16 scales no loss; what scales one does not read this
        saved = [*optimizer["param_groups"]]
        if "base_param_settings" in optimizer:  # mmengine's own group, if there are several
            saved.append(optimizer["base_param_settings"])
        changes = adapt(saved, runner.optim_wrapper.param_groups, checkpoint.get("param_schedulers") or ())
        if changes:
            logger.info("the optimizer continues with %s", ", ".join(changes))


def adapt(
    saved: Sequence[dict[str, Any]], fresh: Sequence[Mapping[str, Any]], schedulers: Sequence[dict[str, Any]]
) -> list[str]:
    """Replace the settings of a checkpoint's groups of parameters by those of a fresh optimizer's, which are the
    config's. Returns what changed, in words.

    A setting that is scheduled, such as the learning rate, keeps its place in the schedule: it is multiplied by what
    its initial value is multiplied by, as is the state of its `schedulers`.
    """
    factors: dict[str, list[float]] = {}  # by scheduled setting, one for each group
    changes: dict[str, None] = {}  # in order, each once
    for group, config in zip(saved, fresh, strict=True):
        for name in [name for name in config if name in group and name != "params"]:
            before, initial = group[name], f"initial_{name}"
            if name.startswith("initial_"):
                continue
            if initial in group and initial in config:
                factor = config[initial] / group[initial] if group[initial] else 1.0
                factors.setdefault(name, []).append(factor)
                group[name], group[initial] = before * factor, config[initial]
            else:
                group[name] = config[name]
            if group[name] != before:
                changes[f"{name} {group[name]} instead of {before}"] = None
    for scheduler in schedulers:
        for name in {"base_values", "_last_value"} & set(scheduler):
            values = zip(scheduler[name], factors[scheduler["param_name"]], strict=True)
            scheduler[name] = [value * factor for value, factor in values]
    return list(changes)
