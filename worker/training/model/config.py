"""An mmdetection config: found, executed, checked against the dataset's classes, and its text, which is published.

`find` looks for the file, cheaply, before anything heavy is imported; `load` executes it. What a training makes of it
is in two steps, so that the published config says what was trained and nothing about where:
`training.train.resolved_config` completes it, `training.train.bound_config` adds what is of this machine.

A config is Python and is executed, as mmengine does: use only configs that you would run as a program.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.dataset.split import SPLITS
from training.errors import ConfigError, NotFound, WorkerError
from training.storage.uri import open_parent

DEFAULT_CONFIG = "config_3_cls_w18.py"


def folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where built-in configs are looked up: TRAINING_CONFIGS_DIR, else the package's own.

    Those are the repository's configs/: a link leads there from a checkout and in the image, and a wheel holds copies.
    """
    named = environ.get("TRAINING_CONFIGS_DIR", "")
    return [Path(named) if named else (Path(__file__).parent / "configs").resolve()]


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


def check_classes(config: Any, classes: tuple[str, ...]) -> None:
    """Raise ConfigError where the network's or the config's classes are not those of the dataset."""
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
    """The resolved config as Python that mmengine reads back: what is published."""
    return str(config.pretty_text)


def sha256(config: Any) -> str:
    """Identifies a resolved config: the sha256 of its text, in hexadecimal."""
    return hashlib.sha256(text(config).encode()).hexdigest()


def innermost_dataset(dataset: Any) -> Any:
    """The dataset inside wrappers such as RepeatDataset."""
    while isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    return dataset


def dicts_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict within a value, itself included."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from dicts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from dicts_in(item)
