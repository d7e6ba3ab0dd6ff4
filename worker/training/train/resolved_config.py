"""Makes the resolved config: fills in classes, epochs, learning-rate schedule and seed.

It says what is trained and nothing about where. Its text is published beside the model; its sha256 identifies it.
"""

import copy
import logging
from dataclasses import dataclass
from typing import Any

from training.dataset.split import SPLITS
from training.dataset.training_set import DatasetFacts
from training.errors import ConfigError
from training.model.config import check_classes, dicts_in, innermost_dataset

logger = logging.getLogger(__name__)
EPOCH_STEPS = (0.80, 0.95)  # the learning rate falls after these fractions of the epochs
LONGEST_WARMUP = 1 / 3  # at most this fraction of all iterations
SHORTEST_WARMUP = 2  # iterations; one of a single iteration never ends: LinearLR leaves the rate at its start
# Mixed precision: settings of AmpOptimWrapper. bfloat16 reaches as far as float32, so that no loss need be scaled.
AMP: dict[str, dict[str, Any]] = {
    "off": {},
    "bf16": {"dtype": "bfloat16", "loss_scale": {"enabled": False}},
    "fp16": {"dtype": "float16", "loss_scale": "dynamic"},
}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the command line decides about the config."""

    epochs: int | None = None  # None: those of the config
    seed: int = 0
    norm_statistics: bool = False  # whether base weights bring those of batch normalization
    ranks: int = 1
    amp: str = "off"  # one of AMP; "off" leaves the config's optim_wrapper as it is


def resolve(config: Any, dataset: DatasetFacts, choices: Choices) -> Any:
    """A copy completed for the dataset and the command line, the same on every machine. Raises ConfigError if the
    config's classes differ from the dataset's, or its train_cfg cannot be used.
    """
    config = copy.deepcopy(config)
    check_classes(config, dataset.classes)
    for split in SPLITS:
        loader = config[f"{split}_dataloader"]
        inner = innermost_dataset(loader["dataset"])
        inner["data_root"] = ""
        inner["ann_file"] = f"{split}/{split}.json"
        inner["data_prefix"] = {"img": f"{split}/images/"}
        inner["metainfo"] = {**(inner.get("metainfo") or {}), "classes": list(dataset.classes)}
        if split != "train":
            config[f"{split}_evaluator"] = _evaluator(config.get(f"{split}_evaluator"), inner["ann_file"])
    for split, kind in (("val", "ValLoop"), ("test", "TestLoop")):
        config[f"{split}_cfg"] = config.get(f"{split}_cfg") or {"type": kind}
    _set_epochs(config, dataset, choices)
    norm_frozen_from(config)
    deterministic = bool((config.get("randomness") or {}).get("deterministic"))
    config["randomness"] = {"seed": choices.seed, "deterministic": deterministic}
    _set_precision(config["optim_wrapper"], choices.amp)
    if config.get("load_from"):
        logger.warning("the config's load_from is ignored: base weights come from --load-from alone")
    config["load_from"] = None
    config["resume"] = False
    config["launcher"] = "none"
    config["default_scope"] = config.get("default_scope") or "mmdet"
    for part in dicts_in(config["model"]):
        _forget_remote_weights(part)
        if not choices.norm_statistics and part.get("norm_eval"):
            # norm_eval freezes the statistics of batch normalization: where none were loaded they must be learned.
            part["norm_eval"] = False
    return config


def _set_epochs(config: Any, dataset: DatasetFacts, choices: Choices) -> None:
    """Set the number of epochs, the epochs at which the learning rate falls, and the bound of the warm-up."""
    epochs = choices.epochs or config["train_cfg"].get("max_epochs")
    if not isinstance(epochs, int) or epochs < 1:
        raise ConfigError("The config's train_cfg names no max_epochs, so --num-epoch is needed.")
    train_cfg = config["train_cfg"]
    if train_cfg.get("type", "EpochBasedTrainLoop") != "EpochBasedTrainLoop" or train_cfg.get("by_epoch") is False:
        raise ConfigError(
            "The config's train_cfg must be an EpochBasedTrainLoop: checkpoints and progress count epochs."
        )
    train_cfg.update(type="EpochBasedTrainLoop", max_epochs=epochs)
    train_cfg.pop("by_epoch", None)
    batch_size = int(config["train_dataloader"].get("batch_size", 1)) * choices.ranks
    iterations = epochs * -(-dataset.images["train"] // batch_size)
    schedulers = config.get("param_scheduler") or []
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        if scheduler.get("by_epoch", True) and "milestones" in scheduler:
            scheduler["milestones"] = milestones(epochs)
            scheduler["end"] = epochs
        elif not scheduler.get("by_epoch", True) and scheduler.get("type") == "LinearLR":
            end = min(int(scheduler.get("end", SHORTEST_WARMUP)), int(iterations * LONGEST_WARMUP))
            scheduler["end"] = max(SHORTEST_WARMUP, end)


def milestones(epochs: int) -> list[int]:
    """The epochs after which the learning rate falls: 80 % and 95 % of all (for 20: 16, 19), but never the last."""
    return sorted({min(round(epochs * step), epochs - 1) for step in EPOCH_STEPS} - {0})


def norm_frozen_from(config: Any) -> int | None:
    """The epoch, counted from 0, from which on a resolved config freezes the statistics of batch normalization; None if
    it leaves them as they are. Raises ConfigError if `freeze_norm_after` is no fraction of the epochs.
    """
    fraction = config.get("freeze_norm_after")
    if fraction is None:
        return None
    if not isinstance(fraction, float) or not 0 < fraction < 1:
        raise ConfigError(
            f"The config's freeze_norm_after is {fraction!r}; it is a fraction of the epochs between 0 and 1, or None."
        )
    return max(1, round(fraction * int(config["train_cfg"]["max_epochs"])))


def _set_precision(optim_wrapper: dict[str, Any], amp: str) -> None:
    if amp == "off":
        return
    kind = optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper"):
        raise ConfigError(f"--amp {amp} needs an OptimWrapper, and the config has {kind}; leave --amp out.")
    optim_wrapper.update(type="AmpOptimWrapper", **AMP[amp])


def _evaluator(evaluator: Any, annotation_file: str) -> Any:
    if isinstance(evaluator, list):
        return [_evaluator(item, annotation_file) for item in evaluator]
    evaluator = evaluator or {"type": "CocoMetric", "metric": "bbox"}
    if evaluator.get("type") == "CocoMetric":
        evaluator = {"classwise": True, **evaluator, "ann_file": annotation_file}
    return evaluator


def _forget_remote_weights(part: dict[str, Any]) -> None:
    """Remove a download of pretrained weights: base weights come from --load-from alone, without Internet access."""
    given = part.get("init_cfg")
    steps = given if isinstance(given, list | tuple) else [given]
    kept = [step for step in steps if not (isinstance(step, dict) and step.get("type") == "Pretrained")]
    if len(kept) < len(steps):
        part["init_cfg"] = kept or None
    fetches = len(kept) < len(steps)
    if part.get("pretrained"):  # the same in configs of older versions
        part["pretrained"], fetches = None, True
    if fetches:
        logger.warning(
            "the pretrained weights of %s are not fetched: base weights come from --load-from alone", part.get("type")
        )
