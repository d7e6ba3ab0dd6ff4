"""What is to be trained, as the cheap checks of `training.train` leave it to `training.train.run`."""

from dataclasses import dataclass
from pathlib import Path

from training.dataset.training_set import TrainingSet
from training.model.bundle import Destination
from training.process.run_identity import RunIdentity
from training.storage.base import Storage
from training.train.checkpoints.checkpoint import CheckpointInterval, Retention

RESUME_AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
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
    interval: CheckpointInterval
    retention: Retention
    run: RunIdentity

    @property
    def scratch(self) -> Path:
        """For files that nobody needs afterwards."""
        return self.work_dir / "scratch"


STOP_DEADLINE_S = 100.0  # of the train pod's grace period of 120 s
