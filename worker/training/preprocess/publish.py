"""The assembled data set -> the target, so that a reader sees the old data set, none, or the new one.

The manifest is deleted before the first change and written after the last. A COCO file that people edited since is
never lost: it stays where the data set is still the same, and is put aside where another one takes its place.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from training.dataset.layout import (
    DOCUMENTS,
    EDITED,
    MANIFEST_KEY,
    REPORT_KEY,
    TTV,
    annotation_key,
    document_record_key,
    drawing_key,
    image_key,
    is_ours,
    splits_with,
)
from training.dataset.manifest import FileEntry, Manifest
from training.dataset.split import Assignment
from training.dataset.verify import ANNOTATION_FILES, Dataset
from training.errors import DataError, NotFound, Transient
from training.preprocess.assemble import AssembledDataset, Inputs
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage
from training.storage.files import sha256_bytes

logger = logging.getLogger(__name__)


class Target:
    """The folder that takes the data set."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._begun = False

    def sizes(self) -> dict[str, int]:
        """All objects that may be a data set's, in bytes by key."""
        return {
            found.key: found.size_bytes
            for folder in (f"{TTV}/", f"{DOCUMENTS}/")
            for found in self._storage.list_objects(folder)
        }

    def begin_changes(self) -> None:
        """Takes the manifest away, once: from now on there is no data set. Edited COCO files are put aside first."""
        with self._lock:
            if self._begun:
                return
            manifest = self._manifest()
            if manifest is not None:
                self._keep_edited(manifest)
            self._storage.delete(MANIFEST_KEY)
            self._begun = True

    def find(self, dataset: AssembledDataset) -> Dataset | None:
        """The data set, where it is what lies there already, edited or not."""
        if self._manifest() != dataset.manifest:
            return None
        found = {path: _entry(path, data) for path, data in self._annotation_files().items()}
        return Dataset.of(dataset.manifest, found) if len(found) == len(ANNOTATION_FILES) else None

    def publish(self, dataset: AssembledDataset, inputs: Inputs, assignment: Assignment, report: Path) -> Dataset:
        """Brings everything to its place; the documents' images, drawings and records are in the target already."""
        self.begin_changes()
        self._move(inputs, assignment)
        for split, path in dataset.annotation_files.items():
            self._storage.upload_file(path, annotation_key(split))
        self._storage.upload_file(report, REPORT_KEY)
        self._delete_stale(dataset.manifest, inputs)
        self._storage.write_bytes(MANIFEST_KEY, dataset.manifest.to_json())
        return Dataset(dataset.manifest, ())

    def _manifest(self) -> Manifest | None:
        try:
            return Manifest.from_json(self._storage.read_bytes(MANIFEST_KEY))
        except (NotFound, DataError):
            return None

    def _annotation_files(self) -> dict[str, bytes]:
        """The COCO files that are there, by their paths in the manifest."""
        found = {}
        for path in ANNOTATION_FILES:
            with suppress(NotFound):
                found[path] = self._storage.read_bytes(f"{TTV}/{path}")
        return found

    def _keep_edited(self, manifest: Manifest) -> None:
        """Copies the COCO files that differ from the manifest to a place where no run changes them."""
        for path, data in self._annotation_files().items():
            entry = _entry(path, data)
            if entry not in manifest.files:
                key = f"{EDITED}/{entry.sha256[:16]}/{path.rpartition('/')[2]}"
                self._storage.write_bytes(key, data)
                logger.warning(
                    "%s was edited and is replaced, since the input changed; the edited file is kept as %s",
                    self._storage.uri(f"{TTV}/{path}"),
                    self._storage.uri(key),
                )

    def _move(self, inputs: Inputs, assignment: Assignment) -> None:
        """Copies images whose split is another one now that all documents are known; the old ones become stale."""
        sizes = self.sizes()

        def settle(split: str, file_name: str, size_bytes: int) -> None:
            found = splits_with(file_name, size_bytes, sizes)
            target = image_key(split, file_name)
            if split in found:
                return
            # A pod that assembles the same data set may be moving it just now.
            with suppress(NotFound):
                if found:
                    self._storage.copy(image_key(found[0], file_name), target)
                    return
            if self._storage.stat(target) is None:
                raise Transient(f"{self._storage.uri(target)} vanished while the data set was assembled; try again.")

        self._run_all(
            (settle, assignment.splits[document.name], page.labelled.file_name, page.size_bytes)
            for document in inputs.prepared
            for page in document.pages
        )

    def _delete_stale(self, manifest: Manifest, inputs: Inputs) -> None:
        current = {f"{TTV}/{file.path}" for file in manifest.files}
        for document in inputs.prepared:
            current.add(document_record_key(document.name))
            current.update(drawing_key(document.name, page.number) for page in document.pages)
        self._run_all((self._storage.delete, key) for key in self.sizes() if is_ours(key) and key not in current)

    def _run_all(self, calls: Iterable[tuple[Callable[..., None], *tuple[Any, ...]]]) -> None:
        with thread_pool(TRANSFER_THREADS, "publish") as threads:
            for future in [threads.submit(function, *arguments) for function, *arguments in calls]:
                future.result()


def _entry(path: str, data: bytes) -> FileEntry:
    return FileEntry(path=path, size_bytes=len(data), sha256=sha256_bytes(data))
