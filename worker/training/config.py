"""The mmdetection config of a run: found, checked against the dataset, completed, and bound to this machine.

Three steps, so that the published config says what was trained and nothing about where:

- `find` looks for the file (cheap, before anything heavy is imported) and `load` executes it;
- `resolve` completes it: classes, epochs, schedule, seed. Its text is published beside the model, its sha256 identifies
  it;
- `bind` adds what is of this machine and this process: folders, data workers, the exact-resume loop.

A config is Python and is executed, as mmengine does: use only configs that you would run as a program.
"""

import copy
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.cpus import available_cpus
from training.errors import ConfigError, NotFound, WorkerError
from training.split import SPLITS
from training.storage import open_parent

DEFAULT_CONFIG = "config_3_cls_w18.py"
EPOCH_STEPS = (0.80, 0.95)  # of the epochs, where the learning rate falls
LONGEST_WARMUP = 1 / 3  # of all iterations
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  where data workers pass images on


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a config must fit: the classes in the order of their ids, and the number of images of each split."""

    classes: tuple[str, ...]
    images: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the command line decides about the training."""

    epochs: int | None = None  # None: as the config says
    seed: int = 0
    base_weights: bool = False
    ranks: int = 1


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is of this machine: where the dataset and the working folder are, how many data workers to run, and how many
    ranks there are.
    """

    work_dir: Path
    image_folders: Mapping[str, Path]
    annotation_files: Mapping[str, Path]
    max_data_workers: int
    validate_first: bool = False
    ranks: int = 1
    has_gpu: bool = False


# -------------------------------------------------------------------------------------------------------- find and load


def folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where built-in configs are looked up: TRAINING_CONFIGS_DIR, else configs/ of the repository."""
    named = environ.get("TRAINING_CONFIGS_DIR", "")
    return [Path(named)] if named else [Path(__file__).resolve().parents[2] / "configs"]


def find(name: str, *, download_to: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The config's file: a built-in name (with or without .py), a path, or s3:// (copied into `download_to`).

    Raises ConfigError or NotFound, and what the storage raises.
    """
    if "://" in name:
        storage, key = open_parent(name)
        target = download_to / key
        storage.download_file(key, target)
        return target
    if Path(name).is_file():
        return Path(name)
    if Path(name).is_dir():
        raise ConfigError(f"--config {name} is a folder; name a config file in it.")
    if "/" not in name:
        for folder in folders(environ):
            for candidate in (folder / name, folder / f"{name}.py"):
                if candidate.is_file():
                    return candidate
        known = sorted(path.name for folder in folders(environ) for path in folder.glob("*.py"))
        raise NotFound(
            f"--config {name} is neither a file nor a built-in config ({', '.join(known) or 'there are none'})."
        )
    raise NotFound(f"--config {name} does not exist.")


def load(path: Path, options: Mapping[str, Any] | None = None) -> Any:
    """Execute the config and apply --cfg-options. Returns an mmengine Config; raises ConfigError."""
    from mmengine.config import Config  # noqa: PLC0415  brings torch along

    try:
        config = Config.fromfile(str(path))
    except WorkerError:
        raise
    except Exception as error:  # whatever the file's own code raises
        raise ConfigError(f"The config {path.name} cannot be read: {type(error).__name__}: {error}") from error
    if options:
        try:
            config.merge_from_dict(dict(options))
        except Exception as error:
            raise ConfigError(f"--cfg-options do not fit the config {path.name}: {error}") from error
    missing = [
        name
        for name in ("model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "optim_wrapper")
        if name not in config
    ]
    if missing:
        raise ConfigError(f"The config {path.name} lacks {', '.join(missing)}; see docs/training.md.")
    return config


# -------------------------------------------------------------------------------------------------------------- resolve


def resolve(config: Any, dataset: DatasetFacts, choices: Choices) -> Any:
    """A copy completed with what dataset and command line say, the same on every machine. Raises ConfigError."""
    config = copy.deepcopy(config)
    check_classes(config, dataset.classes)
    for split in SPLITS:
        loader = config[f"{split}_dataloader"]
        inner = _innermost_dataset(loader["dataset"])
        inner["data_root"] = ""
        inner["ann_file"] = f"{split}/{split}.json"
        inner["data_prefix"] = {"img": f"{split}/images/"}
        inner["metainfo"] = {**(inner.get("metainfo") or {}), "classes": list(dataset.classes)}
        if split != "train":
            config[f"{split}_evaluator"] = _evaluator(config.get(f"{split}_evaluator"), inner["ann_file"])
    for split, kind in (("val", "ValLoop"), ("test", "TestLoop")):
        config[f"{split}_cfg"] = config.get(f"{split}_cfg") or {"type": kind}
    _set_epochs(config, dataset, choices)
    config["randomness"] = {"seed": choices.seed, "deterministic": False}
    config["load_from"] = None
    config["resume"] = False
    config["launcher"] = "none"
    config["default_scope"] = config.get("default_scope") or "mmdet"
    for part in _dicts(config["model"]):
        _forget_remote_weights(part)
        if not choices.base_weights and part.get("norm_eval"):
            # Without base weights there are no statistics to keep: batch normalization has to learn its own.
            part["norm_eval"] = False
    return config


def check_classes(config: Any, classes: tuple[str, ...]) -> None:
    """Raise ConfigError where the network's or the config's classes are not those of the dataset."""
    wanted = f"{len(classes)} classes ({', '.join(classes)})"
    for part in _dicts(config["model"]):
        number = part.get("num_classes")
        if number is not None and number != len(classes) and "RPN" not in str(part.get("type")):
            raise ConfigError(f"The config's {part.get('type')} has {number} classes, but the dataset has {wanted}.")
    for split in SPLITS:
        named = (_innermost_dataset(config[f"{split}_dataloader"]["dataset"]).get("metainfo") or {}).get("classes")
        if named is not None and tuple(named) != classes:
            raise ConfigError(f"The config's classes are {', '.join(named)}, but the dataset has {wanted}.")


def text(config: Any) -> str:
    """The resolved config as Python that mmengine reads back: what is published."""
    return str(config.pretty_text)


def sha256(config: Any) -> str:
    """Identifies a resolved config: the sha256 of its text, in hexadecimal."""
    return hashlib.sha256(text(config).encode()).hexdigest()


def _set_epochs(config: Any, dataset: DatasetFacts, choices: Choices) -> None:
    """The number of epochs, the learning-rate steps relative to it, and a warm-up that leaves time for the rest."""
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
            scheduler["end"] = max(1, min(int(scheduler.get("end", 1)), int(iterations * LONGEST_WARMUP)))


def milestones(epochs: int) -> list[int]:
    """The epochs after which the learning rate falls: 80 % and 95 % of all, at least one apart (of 20: 16, 19)."""
    first = max(1, round(epochs * EPOCH_STEPS[0]))
    return [first, max(first + 1, round(epochs * EPOCH_STEPS[1]))]


def _evaluator(evaluator: Any, annotation_file: str) -> Any:
    if isinstance(evaluator, list):
        return [_evaluator(item, annotation_file) for item in evaluator]
    evaluator = evaluator or {"type": "CocoMetric", "metric": "bbox"}
    if evaluator.get("type") == "CocoMetric":
        evaluator = {"classwise": True, **evaluator, "ann_file": annotation_file}
    return evaluator


def _forget_remote_weights(part: dict[str, Any]) -> None:
    """Base weights come from --load-from alone: no start depends on the network."""
    init = part.get("init_cfg")
    if isinstance(init, dict) and init.get("type") == "Pretrained":
        part["init_cfg"] = None


def _innermost_dataset(dataset: Any) -> Any:
    """The dataset inside wrappers such as RepeatDataset."""
    while isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    return dataset


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict within a value, itself included."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from _dicts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)


# ----------------------------------------------------------------------------------------------------------------- bind


def bind(config: Any, placement: Placement) -> Any:
    """A copy of the resolved config that runs here, with the loop, dataset and batch sampler of `training.loop`."""
    config = copy.deepcopy(config)
    config["work_dir"] = str(placement.work_dir)
    config["train_cfg"]["type"] = "ExactEpochLoop"
    config["train_cfg"]["validate_first"] = placement.validate_first
    for split in SPLITS:
        loader = config[f"{split}_dataloader"]
        inner = _innermost_dataset(loader["dataset"])
        inner["ann_file"] = str(placement.annotation_files[split])
        inner["data_prefix"] = {"img": str(placement.image_folders[split])}
        loader["num_workers"] = min(int(loader.get("num_workers", 0)), placement.max_data_workers)
        # Workers end with the epoch, as the exact loop needs it.
        loader["persistent_workers"] = False
        if loader["num_workers"] == 0:
            loader.pop("prefetch_factor", None)
        if split != "train":
            evaluator = config[f"{split}_evaluator"]
            for item in evaluator if isinstance(evaluator, list) else [evaluator]:
                if "ann_file" in item:
                    item["ann_file"] = inner["ann_file"]
                if placement.ranks > 1:
                    # By messages, on a CPU too; "cpu" means by files in a folder that all nodes share.
                    item["collect_device"] = "gpu"
    train = config["train_dataloader"]
    train["dataset"] = {"type": "SeededDataset", "dataset": train["dataset"]}
    train["batch_sampler"] = {
        "type": "SkippableBatchSampler",
        "inner": train.get("batch_sampler"),
        "drop_last": bool(train.pop("drop_last", False)),
    }
    if placement.ranks > 1:
        config["launcher"] = "pytorch"
        if not placement.has_gpu:
            config["model_wrapper_cfg"] = {
                "type": "MMDistributedDataParallel",
                "device_ids": None,
                "broadcast_buffers": False,
                "find_unused_parameters": bool(config.get("find_unused_parameters", False)),
            }
    hooks = dict(config.get("default_hooks") or {})
    # Checkpoints are ours: mmengine's are not written atomically and cannot be resumed exactly.
    hooks["checkpoint"] = None
    hooks.pop("visualization", None)
    config["default_hooks"] = hooks
    return config


def data_workers(*, cpus: int | None = None, shared_memory_bytes: int | None = None) -> int:
    """How many data workers this machine bears: a core stays for the training, each worker needs 128 MiB of /dev/shm.

    A pod without a memory volume there has 64 MiB, on which workers crash: it gets none.
    """
    if cpus is None:
        cpus = available_cpus()
    if shared_memory_bytes is None:
        usage = os.statvfs(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
        shared_memory_bytes = usage.f_bavail * usage.f_frsize if usage else 0
    return max(0, min(cpus - 1, shared_memory_bytes // (128 * 1024 * 1024)))
