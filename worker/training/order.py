"""What is to be trained, as the cheap checks of `training.train` leave it to `training.trainer`."""

from dataclasses import dataclass
from pathlib import Path

from training.bundle import Destination, RunIdentity
from training.checkpoints import Interval, Retention
from training.storage import Storage
from training.trainset import TrainingSet

RESUME_AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training whose inputs exist and whose outputs can be written."""

    dataset: TrainingSet
    work_dir: Path
    config_file: Path
    config_options: tuple[str, ...]  # name=value
    destination: Destination
    checkpoints: Storage
    load_from: str | None
    resume_from: str | None  # a checkpoint or RESUME_AUTO
    epochs: int | None  # None: as the config says
    seed: int
    demo: bool
    interval: Interval
    retention: Retention
    run: RunIdentity

    @property
    def scratch(self) -> Path:
        """For files that nobody needs afterwards."""
        return self.work_dir / "scratch"
