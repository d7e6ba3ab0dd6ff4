"""Checkpoints in a folder or S3: `<key>.pth` and, written after it was verified, its manifest `<key>.json`, the commit
point.

A checkpoint without a manifest, or one that differs from its manifest, does not exist. The formats are those of
docs/architecture.md.
"""

import json
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.errors import DataError, NotFound, Transient, WorkerError
from training.metrics import MAIN_METRIC
from training.storage import Storage, sha256_file

logger = logging.getLogger(__name__)

MANIFEST_NAME = re.compile(r"(epoch|iteration)_\d+\.json")


def new_training_id() -> str:
    """Names a training from its start through all that `auto` continues; a checkpoint that is named starts another."""
    return secrets.token_hex(8)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A committed checkpoint, as its manifest describes it."""

    key: str  # of the .pth, relative to the store
    epoch: int  # epochs completed
    iteration: int  # iterations completed, over all epochs
    sha256: str
    size_bytes: int
    dataset_digest: str
    training_id: str
    time: str  # ISO 8601, UTC, whole seconds
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the validation; empty until it is done

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
    """The checkpoint that the manifest at `key` describes. Raises DataError where it is none."""
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
class Interval:
    """How often a checkpoint is made. The last epoch always ends with one."""

    epochs: int = 1
    minutes: float = 15.0


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many checkpoints of a training are kept: the newest, and beside them the best by `bbox_mAP`."""

    last: int = 2
    best: int = 1

    def choose(self, newest_first: Sequence[Checkpoint]) -> list[Checkpoint]:
        """Those to keep, in the same order. Of equally good ones the newer is the better."""
        judged = [item for item in newest_first if MAIN_METRIC in item.metrics]
        best = sorted(judged, key=lambda item: item.metrics[MAIN_METRIC], reverse=True)[: self.best]
        return [item for index, item in enumerate(newest_first) if index < self.last or item in best]


def fetch_verified(storage: Storage, checkpoint: Checkpoint, path: Path) -> None:
    """Download the checkpoint to `path`. Raises DataError where size or sha256 are not the manifest's."""
    stored = storage.stat(checkpoint.key)
    if stored is None:
        raise NotFound(f"{storage.uri(checkpoint.key)} does not exist although its manifest does.")
    if stored.size_bytes != checkpoint.size_bytes:
        raise DataError(
            f"{storage.uri(checkpoint.key)} is truncated: {stored.size_bytes} bytes instead of {checkpoint.size_bytes}."
        )
    storage.download_file(checkpoint.key, path)
    if sha256_file(path) != checkpoint.sha256:
        path.unlink(missing_ok=True)
        raise DataError(f"{storage.uri(checkpoint.key)} is corrupt: its sha256 is not that of its manifest.")


class CheckpointStore:
    """The checkpoints below one prefix."""

    def __init__(
        self,
        storage: Storage,
        *,
        scratch: Path,
        dataset_digest: str,
        training_id: str,
        keep: Retention = Retention(),
    ) -> None:
        self.storage = storage
        self.scratch = scratch
        self.training_id = training_id
        self._dataset_digest = dataset_digest
        self._keep = keep

    def uri(self, checkpoint: Checkpoint) -> str:
        return self.storage.uri(checkpoint.key)

    def commit(self, path: Path, *, epoch: int, iteration: int, epoch_ended: bool) -> Checkpoint:
        """Store the file, read it back, write its manifest. Raises Transient where what was stored is not what was
        written.
        """
        name = f"epoch_{epoch}" if epoch_ended else f"iteration_{iteration}"
        checkpoint = Checkpoint(
            key=f"{name}.pth",
            epoch=epoch,
            iteration=iteration,
            sha256=sha256_file(path),
            size_bytes=path.stat().st_size,
            dataset_digest=self._dataset_digest,
            training_id=self.training_id,
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self.storage.upload_file(path, checkpoint.key)
        copy = self.scratch / f"{name}.readback"
        try:
            fetch_verified(self.storage, checkpoint, copy)
        except (DataError, NotFound) as error:
            raise Transient(f"The checkpoint was not stored as it was written: {error}") from error
        finally:
            copy.unlink(missing_ok=True)
        self.storage.write_bytes(checkpoint.manifest_key, checkpoint.manifest())
        return checkpoint

    def record_metrics(self, checkpoint: Checkpoint, metrics: Mapping[str, float]) -> Checkpoint:
        """Add what the validation said to the manifest."""
        checkpoint = replace(checkpoint, metrics=dict(metrics))
        self.storage.write_bytes(checkpoint.manifest_key, checkpoint.manifest())
        return checkpoint

    def find_newest(self) -> tuple[Checkpoint, Path] | None:
        """The newest checkpoint that verifies, downloaded into the scratch folder; what does not verify is passed over,
        loudly.

        Newest is the one furthest on in the training that wrote last: an older training in the same folder may have
        gone further. One of another dataset is passed over too: its epochs are not epochs of this dataset, so training
        starts afresh.
        """
        for checkpoint in self._newest_first():
            if checkpoint.dataset_digest != self._dataset_digest:
                logger.warning("%s is of another dataset and is passed over", self.uri(checkpoint))
                continue
            path = self.scratch / checkpoint.key
            try:
                fetch_verified(self.storage, checkpoint, path)
            except (DataError, NotFound) as error:
                logger.warning("a checkpoint is passed over: %s", error)
                continue
            return checkpoint, path
        return None

    def _newest_first(self) -> list[Checkpoint]:
        found = []
        try:
            keys = [item.key for item in self.storage.list_objects() if MANIFEST_NAME.fullmatch(item.key)]
        except NotFound:
            return []
        for key in keys:
            try:
                found.append(parse_manifest(key, self.storage.read_bytes(key)))
            except (DataError, NotFound) as error:
                logger.warning("a checkpoint manifest is passed over: %s", error)
        last_write: dict[str, str] = {}
        for checkpoint in found:
            last_write[checkpoint.training_id] = max(last_write.get(checkpoint.training_id, ""), checkpoint.time)
        return sorted(
            found, key=lambda item: (last_write[item.training_id], item.training_id, item.iteration), reverse=True
        )

    def prune(self, newest: Checkpoint) -> list[Checkpoint]:
        """Delete what need not be kept of this training; returns what is left of it, the newest last.

        The checkpoints of other trainings are theirs. What is further on than `newest` did not verify when the training
        was continued: it does not count. Never fails the training: what could not be deleted is deleted next time.
        """
        try:
            own = [
                item
                for item in self._newest_first()
                if item.training_id == self.training_id and item.iteration <= newest.iteration
            ]
            kept = self._keep.choose(own)
            for checkpoint in own:
                if checkpoint not in kept:
                    self.storage.delete(checkpoint.manifest_key)  # first: from here on it does not exist
                    self.storage.delete(checkpoint.key)
        except WorkerError as error:
            logger.warning("old checkpoints could not be deleted: %s", error)
            return [newest]
        return kept[::-1]
