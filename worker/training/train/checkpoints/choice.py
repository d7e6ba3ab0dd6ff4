"""Decides which weights of a training are published, and what must be said about them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from training.model.bundle import ModelWarning
from training.model.metrics import MAIN_METRIC
from training.train.checkpoints.checkpoint import Checkpoint, best_first

Publish = Literal["last", "best"]
LAST: Publish = "last"
BEST: Publish = "best"
FLOOR = 0.05  # a model whose best bbox_mAP on val is below this detects next to nothing
LEAST_DIFFERENCE = 0.0005  # smaller ones would be shown as .000


@dataclass(frozen=True, kw_only=True)
class ValidatedWeights:
    """The weights after so many epochs, and the metrics of their validation, which lack what was not measured."""

    epoch: int
    metrics: Mapping[str, float]


def better_than(last: ValidatedWeights, kept: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Those of the kept checkpoints, given newest first, that are better by `bbox_mAP` on val; the best first."""
    if MAIN_METRIC not in last.metrics:
        return []
    return [item for item in best_first(kept) if item.metrics[MAIN_METRIC] > last.metrics[MAIN_METRIC]]


def warnings_about(
    published: ValidatedWeights, better: Sequence[Checkpoint], *, base_weights: bool
) -> list[ModelWarning]:
    """What must be said about the published weights. `better`: the checkpoints that are better than the last weights.

    `base_weights`: whether the training began with some.
    """
    if MAIN_METRIC not in published.metrics:
        return []
    found: list[ModelWarning] = []
    value, best = published.metrics[MAIN_METRIC], published
    if better:
        best = ValidatedWeights(epoch=better[0].epoch, metrics=better[0].metrics)
    highest = max(value, best.metrics[MAIN_METRIC])
    if highest - value >= LEAST_DIFFERENCE:
        found.append(
            ModelWarning(
                reason="BestWasBetter",
                message=(
                    f"Epoch {best.epoch} was better by {_short(highest - value)} {MAIN_METRIC} on val "
                    f"({_short(highest)} instead of {_short(value)}); publish it with training.publish: best."
                ),
            )
        )
    if highest < FLOOR:
        advice = "train more epochs or on more pages"
        found.append(
            ModelWarning(
                reason="DetectsNothing",
                message=(
                    f"The model detects next to nothing: the best {MAIN_METRIC} on val was {_short(highest)}, in epoch "
                    f"{best.epoch}; {advice if base_weights else f'start from base weights (loadFrom), {advice}'}."
                ),
            )
        )
    return found


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
