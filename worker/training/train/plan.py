"""The training plan: what `training.train.command` has checked and hands to `training.train.run`."""

from dataclasses import dataclass
from pathlib import Path

from training.dataset.training_set import TrainingSet
from training.device.device import Device
from training.model.bundle import Destination
from training.process.run_identity import RunIdentity
from training.storage.base import Storage
from training.train.checkpoints.checkpoint import CheckpointInterval, Retention
from training.train.checkpoints.choice import Publish

RESUME_AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A training to run: its inputs were found, and its outputs can be written."""

    dataset: TrainingSet
    work_dir: Path
    device: Device
    config_file: Path
    config_options: tuple[str, ...]  # each name=value
    destination: Destination
    checkpoints: Storage
    load_from: str | None  # path or URI of base weights, or builtin://name
    resume_from: str | None  # path or URI of a checkpoint, or RESUME_AUTO
    epochs: int | None  # None: those of the config
    seed: int
    amp: str  # one of training.train.resolved_config.AMP
    demo: bool
    interval: CheckpointInterval
    retention: Retention
    publish: Publish
    run: RunIdentity

    @property
    def scratch(self) -> Path:
        """The folder of temporary files, deleted at the end."""
        return self.work_dir / "scratch"


STOP_DEADLINE_S = 100.0  # from SIGTERM to the end; the train pod's grace period is 120 s
