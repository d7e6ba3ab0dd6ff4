"""Commits, finds and prunes checkpoints in a folder or S3 (formats: docs/architecture.md, "Checkpoints").

A checkpoint is `<name>.pth` and its manifest `<name>.json`. Writing the manifest is the commit: it is written after the
stored .pth was verified. A checkpoint without a manifest, or one that differs from its manifest, does not count.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.errors import DataError, NotFound, WorkerError
from training.model.metrics import MAIN_METRIC
from training.storage.base import Storage, StoredObject, Wanted, always
from training.storage.files import sha256_file
from training.storage.verified import upload_verified
from training.train.checkpoints.checkpoint import CHECKPOINT_MANIFEST, Checkpoint, Retention, parse_manifest

KEPT_BY_DEFAULT = Retention()

logger = logging.getLogger(__name__)


def fetch_verified(storage: Storage, checkpoint: Checkpoint, path: Path) -> None:
    """Download the checkpoint to `path`. Raises NotFound if it is missing, DataError if its size or sha256 differs from
    the manifest's.
    """
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
    """The checkpoints in one folder or S3 prefix."""

    def __init__(
        self,
        storage: Storage,
        *,
        scratch: Path,
        dataset_digest: str,
        training_id: str,
        keep: Retention = KEPT_BY_DEFAULT,
    ) -> None:
        self.storage = storage
        self.scratch = scratch
        self.training_id = training_id
        self._dataset_digest = dataset_digest
        self._keep = keep
        self._read: dict[StoredObject, Checkpoint] = {}  # the manifests read so far, by the listed object

    def uri(self, checkpoint: Checkpoint) -> str:
        return self.storage.uri(checkpoint.key)

    def commit(
        self, path: Path, *, epoch: int, iteration: int, epoch_ended: bool, wanted: Wanted = always
    ) -> Checkpoint:
        """Store the file at `path`, verify it, write its manifest. Raises Transient if the stored file differs, GivenUp
        as `upload_verified` does.
        """
        name = f"epoch_{epoch}" if epoch_ended else f"iteration_{iteration}"
        checkpoint = Checkpoint(
            key=f"{name}.pth",
            epoch=epoch,
            iteration=iteration,
            sha256=upload_verified(self.storage, path, f"{name}.pth", scratch=self.scratch, wanted=wanted),
            size_bytes=path.stat().st_size,
            dataset_digest=self._dataset_digest,
            training_id=self.training_id,
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self.storage.write_bytes(checkpoint.manifest_key, checkpoint.manifest())
        return checkpoint

    def record_metrics(self, checkpoint: Checkpoint, metrics: Mapping[str, float]) -> Checkpoint:
        """Write the manifest again, with the metrics of the validation."""
        checkpoint = replace(checkpoint, metrics=dict(metrics))
        self.storage.write_bytes(checkpoint.manifest_key, checkpoint.manifest())
        return checkpoint

    def find_newest(self) -> tuple[Checkpoint, Path] | None:
        """The newest checkpoint that verifies, and its copy in the scratch folder; None if there is none. Checkpoints
        that do not verify are skipped with a warning.

        The newest is the one with the most iterations of the training that wrote last: an older training in the same
        folder may have more. Checkpoints of another dataset are skipped too: their epochs are not epochs of this
        dataset, so that the training starts afresh.
        """
        found = self._newest_first()
        for checkpoint in found:
            if checkpoint.dataset_digest != self._dataset_digest:
                logger.warning("%s is of another dataset and is passed over", self.uri(checkpoint))
        return self.fetch_first(item for item in found if item.dataset_digest == self._dataset_digest)

    def fetch_first(self, checkpoints: Iterable[Checkpoint]) -> tuple[Checkpoint, Path] | None:
        """The first of the checkpoints that verifies, and its copy in the scratch folder; None if none does. Those
        before it are passed over with a warning.
        """
        for checkpoint in checkpoints:
            path = self.scratch / checkpoint.key
            try:
                fetch_verified(self.storage, checkpoint, path)
            except (DataError, NotFound) as error:
                logger.warning("a checkpoint is passed over: %s", error)
                continue
            return checkpoint, path
        return None

    def kept(self) -> list[Checkpoint]:
        """The committed checkpoints of this training, the newest first. Raises the storage's errors."""
        return [item for item in self._newest_first() if item.training_id == self.training_id]

    def _newest_first(self) -> list[Checkpoint]:
        try:
            listed = [item for item in self.storage.list_objects() if CHECKPOINT_MANIFEST.fullmatch(item.key)]
        except NotFound:
            return []
        # An object that was written since has another version. If the storage lists no versions, all are read again.
        known = {item: checkpoint for item, checkpoint in self._read.items() if item.version}
        self._read = {}
        for item in listed:
            try:
                self._read[item] = known.get(item) or parse_manifest(item.key, self.storage.read_bytes(item.key))
            except (DataError, NotFound) as error:
                logger.warning("a checkpoint manifest is passed over: %s", error)
        found = self._read.values()
        last_write: dict[str, str] = {}
        for checkpoint in found:
            last_write[checkpoint.training_id] = max(last_write.get(checkpoint.training_id, ""), checkpoint.time)
        return sorted(
            found, key=lambda item: (last_write[item.training_id], item.training_id, item.iteration), reverse=True
        )

    def prune(self, newest: Checkpoint) -> list[Checkpoint]:
        """Delete this training's checkpoints that need not be kept; return those that are left, the newest last.

        Checkpoints of other trainings are left alone. So are this training's checkpoints beyond `newest`: they did not
        verify when it resumed, and do not count. Never fails the training: a checkpoint that could not be deleted is
        deleted next time.

        Each version of a manifest that the storage lists is read once. That is safe if another attempt, or another
        training in the same folder, writes meanwhile: the storage is listed anew, so that a new or replaced manifest is
        read, and a deleted one forgotten.
        """
        try:
            own = [item for item in self.kept() if item.iteration <= newest.iteration]
            kept = self._keep.choose(own)
            for checkpoint in own:
                if checkpoint not in kept:
                    self.storage.delete(checkpoint.manifest_key)  # first, so that no manifest names a deleted .pth
                    self.storage.delete(checkpoint.key)
        except WorkerError as error:
            logger.warning("old checkpoints could not be deleted: %s", error)
            return [newest]
        return kept[::-1]


def resume_point(store: CheckpointStore, checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint in the form of a report's `resumePoints`."""
    point: dict[str, Any] = {
        "epoch": checkpoint.epoch,
        "iteration": checkpoint.iteration,
        "uri": store.uri(checkpoint),
        "sha256": checkpoint.sha256,
        "time": checkpoint.time,
    }
    if MAIN_METRIC in checkpoint.metrics:
        point["metric"] = f"{checkpoint.metrics[MAIN_METRIC]:.4f}"
    return point
