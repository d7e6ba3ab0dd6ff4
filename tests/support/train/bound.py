"""A built-in config as a training would run it."""

from pathlib import Path
from typing import Any

from training.dataset.training_set import TrainingSet
from training.model import config
from training.train import bound_config, resolved_config


def bound(name: str, training_set: TrainingSet, work_dir: Path) -> Any:
    """The config `name`, bound to a dataset for one epoch, without data workers."""
    loaded = config.load(config.find(name, download_to=work_dir))
    return bound_config.bind(
        resolved_config.resolve(loaded, training_set.facts, resolved_config.Choices(epochs=1)),
        bound_config.Placement(
            work_dir=work_dir,
            image_folders=training_set.image_folders,
            annotation_files=training_set.annotation_files,
            max_data_workers=0,
        ),
    )
