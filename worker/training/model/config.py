"""Finds an mmdetection config, executes it, checks it against the dataset's classes, and gives its text.

`find` looks for the file before anything slow is imported; `load` executes it. A training changes the config in two
steps: `training.train.resolved_config` completes it, and `training.train.bound_config` adds what holds on this machine
alone. The resolved config is published: it says what was trained and nothing about where.

A config is Python, and mmengine executes it: use only configs that you would run as a program.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.dataset.split import SPLITS
from training.errors import ConfigError, NotFound, WorkerError
from training.model import recipe
from training.storage.uri import open_parent

DEFAULT_CONFIG = "config_3_cls_w18.py"


def folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders of built-in configs: TRAINING_CONFIGS_DIR if set, else the package's `configs`.

    In a checkout and in the image that is a link to the repository's configs/; a wheel holds copies.
    """
    named = environ.get("TRAINING_CONFIGS_DIR", "")
    return [Path(named) if named else (Path(__file__).parent / "configs").resolve()]


def find(name: str, *, download_to: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The file of the config that `name` stands for: a path, s3:// (downloaded into `download_to`), or the name of a
    built-in config, with or without .py.

    Raises ConfigError for a folder, NotFound, and the storage's errors.
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


def load(path: Path, options: Mapping[str, Any] | None = None, *, base_weights: bool = False) -> Any:
    """Execute the config, and merge its recipe for a training with or without base weights and --cfg-options into it
    (`training.model.recipe`). Returns an mmengine Config; raises ConfigError.
    """
    from mmengine.config import Config  # noqa: PLC0415  imports torch

    try:
        config = Config.fromfile(str(path))
    except WorkerError:
        raise
    except Exception as error:  # the file's code may raise anything
        raise ConfigError(f"The config {path.name} cannot be read: {type(error).__name__}: {error}") from error
    recipe.merge(config, options or {}, base_weights=base_weights, name=path.name)
    missing = [
        name
        for name in ("model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "optim_wrapper")
        if name not in config
    ]
    if missing:
        raise ConfigError(f"The config {path.name} lacks {', '.join(missing)}; see docs/training.md.")
    return config


def check_classes(config: Any, classes: tuple[str, ...]) -> None:
    """Raise ConfigError if the network's or the config's classes differ from the dataset's."""
    wanted = f"{len(classes)} classes ({', '.join(classes)})"
    for part in dicts_in(config["model"]):
        number = part.get("num_classes")
        if number is not None and number != len(classes) and "RPN" not in str(part.get("type")):
            raise ConfigError(f"The config's {part.get('type')} has {number} classes, but the dataset has {wanted}.")
    for split in SPLITS:
        named = (innermost_dataset(config[f"{split}_dataloader"]["dataset"]).get("metainfo") or {}).get("classes")
        if named is not None and tuple(named) != classes:
            raise ConfigError(f"The config's classes are {', '.join(named)}, but the dataset has {wanted}.")


def text(config: Any) -> str:
    """The resolved config as Python source that mmengine can load; it is published beside the model."""
    return str(config.pretty_text)


def innermost_dataset(dataset: Any) -> Any:
    """The dataset inside wrappers such as RepeatDataset."""
    while isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    return dataset


def dicts_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict within `value`, and `value` itself if it is one."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from dicts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from dicts_in(item)
