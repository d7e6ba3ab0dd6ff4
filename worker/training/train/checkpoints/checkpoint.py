"""What a checkpoint's manifest says, how often checkpoints are made, and which are kept. Pure."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.errors import DataError
from training.model.metrics import MAIN_METRIC

CHECKPOINT_MANIFEST = re.compile(r"(epoch|iteration)_\d+\.json")


def new_training_id() -> str:
    """A random id for a new training. An attempt that resumes by `--resume-from auto` keeps the id of its training; one
    that resumes from a named checkpoint begins a new training.
    """
    return secrets.token_hex(8)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A committed checkpoint, as its manifest describes it."""

    key: str  # of the .pth file in the store
    epoch: int  # complete epochs
    iteration: int  # complete iterations over all epochs
    sha256: str
    size_bytes: int
    dataset_digest: str
    training_id: str
    time: str  # ISO 8601, UTC, whole seconds
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the epoch's validation; empty until that is done

    @property
    def manifest_key(self) -> str:
        return self.key.removesuffix(".pth") + ".json"

    def manifest(self) -> bytes:
        content = {
            "version": 1,
            "kind": "Checkpoint",
            "epoch": self.epoch,
            "iteration": self.iteration,
            "sha256": self.sha256,
            "sizeBytes": self.size_bytes,
            "datasetDigest": self.dataset_digest,
            "trainingId": self.training_id,
            "time": self.time,
            "metrics": dict(self.metrics),
        }
        return (json.dumps(content, indent=1) + "\n").encode()


def parse_manifest(key: str, content: bytes) -> Checkpoint:
    """The checkpoint that the manifest at `key` describes. Raises DataError if it is no checkpoint manifest."""
    try:
        found: Any = json.loads(content)
        known = (found["version"], found["kind"]) == (1, "Checkpoint")
        checkpoint = Checkpoint(
            key=key.removesuffix(".json") + ".pth",
            epoch=int(found["epoch"]),
            iteration=int(found["iteration"]),
            sha256=str(found["sha256"]),
            size_bytes=int(found["sizeBytes"]),
            dataset_digest=str(found["datasetDigest"]),
            training_id=str(found.get("trainingId", "")),
            time=str(found.get("time", "")),
            metrics={str(name): float(value) for name, value in found.get("metrics", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{key} is no checkpoint manifest: {error!r}.") from error
    if not known:
        raise DataError(f"{key} is no checkpoint manifest of this version.")
    return checkpoint


@dataclass(frozen=True, kw_only=True)
class CheckpointInterval:
    """A checkpoint is made after so many epochs, after the last epoch, and after so many minutes within an epoch."""

    epochs: int = 1
    minutes: float = 15.0


def best_first(newest_first: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The validated checkpoints by `bbox_mAP`, the best first; of equally good ones the newer counts as better."""
    judged = [item for item in newest_first if MAIN_METRIC in item.metrics]
    return sorted(judged, key=lambda item: item.metrics[MAIN_METRIC], reverse=True)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many checkpoints of a training are kept: the `last` newest, and the `best` by `bbox_mAP`."""

    last: int = 2
    best: int = 1

    def choose(self, newest_first: Sequence[Checkpoint]) -> list[Checkpoint]:
        """The checkpoints to keep, in the same order."""
        best = best_first(newest_first)[: self.best]
        return [item for index, item in enumerate(newest_first) if index < self.last or item in best]
