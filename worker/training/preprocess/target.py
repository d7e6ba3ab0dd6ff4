"""Writes the dataset to the target in an order that is safe: a reader sees the old dataset, none, or the new one.

The manifest is deleted before the first change to what it lists and written after the last. A document's record is
deleted before its images change and written after them, so a record always fits the images. A COCO file that people
edited is never lost: if the dataset is still the same, it stays; if another dataset replaces it, a copy is kept.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from training.dataset.layout import (
    DOCUMENTS,
    MANIFEST_KEY,
    REPORT_KEY,
    TTV,
    annotation_key,
    document_record_key,
    drawing_key,
    edited_key,
    image_key,
    is_ours,
    splits_with,
)
from training.dataset.manifest import FileEntry, Manifest
from training.dataset.prepared_document import PreparedDocument, PreparedPage, read_record
from training.dataset.split import SPLITS, Assignment
from training.dataset.verify import ANNOTATION_FILES, Dataset
from training.errors import DataError, NotFound, Transient
from training.preprocess.assemble import AssembledDataset, Inputs
from training.preprocess.chunk import PreparedChunk
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage
from training.storage.files import sha256_bytes
from training.storage.local import LocalStorage, sha256_object

logger = logging.getLogger(__name__)


class Target:
    """The target folder: finds what earlier runs left there and makes every change. Safe to use from several threads.

    For each document call `begin_document`, `upload_pages` for each chunk, then `finish_document` or `discard`.
    """

    def __init__(self, storage: Storage, guess: Assignment) -> None:
        """Lists the storage. Images are uploaded to the splits of `guess`; `publish` moves those of other splits."""
        self._storage = storage
        self._guess = guess
        self._found = self._sizes()
        self._lock = threading.Lock()
        self._begun = False

    def known(self, document: PreparedDocument, record: Path) -> PreparedDocument | None:
        """`document` as an earlier run prepared it, or None if any of it is missing. Saves its record to `record`."""
        key = document_record_key(document.name)
        if key not in self._found:
            return None
        self._storage.download_file(key, record)
        known = read_record(record)
        if known is None or known.key != document.key:
            return None
        drawings = (drawing_key(known.name, page.number) for page in known.pages)
        is_whole = all(drawing in self._found for drawing in drawings) and all(map(self._is_there, known.pages))
        return known if is_whole else None

    def begin_document(self, document: PreparedDocument) -> None:
        """Call it before the first page of a document is uploaded: deletes an old record."""
        key = document_record_key(document.name)
        if key in self._found:
            self.begin_changes()
            self._storage.delete(key)

    def upload_pages(self, document: PreparedDocument, chunk: PreparedChunk, threads: ThreadPoolExecutor) -> None:
        """Uploads the images and drawings of a chunk of the document."""
        home = self._guess.splits[document.name]
        uploads: dict[str, Path] = {}
        stale: list[str] = []
        for page in chunk.pages:
            name = page.labelled.file_name
            uploads[image_key(home, name)] = chunk.image(page)
            uploads[drawing_key(document.name, page.number)] = chunk.drawing(page)
            # An image of an earlier run in another split could have this one's name and size and be taken for it.
            others = (image_key(split, name) for split in SPLITS if split != home)
            stale += [key for key in others if key in self._found]
        # What is only added is no part of the dataset that is there; it stays, should this document be quarantined.
        if stale or not self._found.keys().isdisjoint(uploads):
            self.begin_changes()
        calls: list[tuple[Callable[..., None], *tuple[Any, ...]]] = [
            *((self._storage.upload_file, path, key) for key, path in uploads.items()),
            *((self._storage.delete, key) for key in stale),
        ]
        _run_all(threads, calls)

    def finish_document(self, document: PreparedDocument, record: Path) -> None:
        """Call it after the last page of a document is uploaded: uploads its record from the file `record`."""
        self._storage.upload_file(record, document_record_key(document.name))

    def discard(self, document: PreparedDocument, pages: Iterable[PreparedPage]) -> None:
        """Deletes the uploaded pages of a document that is quarantined."""
        home = self._guess.splits[document.name]
        for page in pages:
            self._storage.delete(image_key(home, page.labelled.file_name))
            self._storage.delete(drawing_key(document.name, page.number))

    def begin_changes(self) -> None:
        """Deletes the manifest, once, so that there is no dataset from now on. Copies edited COCO files first."""
        with self._lock:
            if self._begun:
                return
            manifest = self._manifest()
            if manifest is not None:
                self._keep_edited(manifest)
            self._storage.delete(MANIFEST_KEY)
            self._begun = True

    def find(self, dataset: AssembledDataset) -> Dataset | None:
        """The dataset in the target, edited or not, if it is the same as `dataset`; otherwise None."""
        if self._manifest() != dataset.manifest:
            return None
        found = {path: _entry(path, data) for path, data in self._annotation_files().items()}
        return Dataset.of(dataset.manifest, found) if len(found) == len(ANNOTATION_FILES) else None

    def publish(self, dataset: AssembledDataset, inputs: Inputs, assignment: Assignment, report: Path) -> Dataset:
        """Writes the dataset. The documents' images, drawings and records must be in the target already."""
        self.begin_changes()
        with thread_pool(TRANSFER_THREADS, "publish") as threads:
            self._move(inputs, assignment, threads)
            for split, path in dataset.annotation_files.items():
                self._storage.upload_file(path, annotation_key(split))
            self._storage.upload_file(report, REPORT_KEY)
            self._delete_stale(dataset.manifest, inputs, threads)
        self._storage.write_bytes(MANIFEST_KEY, dataset.manifest.to_json())
        return Dataset(dataset.manifest, ())

    def _manifest(self) -> Manifest | None:
        try:
            return Manifest.from_json(self._storage.read_bytes(MANIFEST_KEY))
        except (NotFound, DataError):
            return None

    def _annotation_files(self) -> dict[str, bytes]:
        """The COCO files in the target, by their paths in the manifest."""
        found = {}
        for path in ANNOTATION_FILES:
            with suppress(NotFound):
                found[path] = self._storage.read_bytes(f"{TTV}/{path}")
        return found

    def _keep_edited(self, manifest: Manifest) -> None:
        """Copies the COCO files that differ from the manifest to `edited/`, where no run changes them."""
        for path, data in self._annotation_files().items():
            entry = _entry(path, data)
            if entry not in manifest.files:
                key = edited_key(entry.sha256, ANNOTATION_FILES[path])
                self._storage.write_bytes(key, data)
                logger.warning(
                    "%s was edited and is replaced, since the input changed; the edited file is kept as %s",
                    self._storage.uri(f"{TTV}/{path}"),
                    self._storage.uri(key),
                )

    def _move(self, inputs: Inputs, assignment: Assignment, threads: ThreadPoolExecutor) -> None:
        """Copies images whose split changed now that all documents are known; the old images become stale."""
        sizes = self._sizes()

        def settle(split: str, file_name: str, size_bytes: int) -> None:
            found = splits_with(file_name, size_bytes, sizes)
            target = image_key(split, file_name)
            if split in found:
                return
            # Another pod that assembles the same dataset may be moving the image at this moment.
            with suppress(NotFound):
                if found:
                    self._storage.copy(image_key(found[0], file_name), target)
                    return
            if self._storage.stat(target) is None:
                raise Transient(f"{self._storage.uri(target)} vanished while the dataset was assembled; try again.")

        pages = ((assignment.splits[document.name], page) for document in inputs.prepared for page in document.pages)
        _run_all(threads, ((settle, split, page.labelled.file_name, page.size_bytes) for split, page in pages))

    def _delete_stale(self, manifest: Manifest, inputs: Inputs, threads: ThreadPoolExecutor) -> None:
        current = {f"{TTV}/{file.path}" for file in manifest.files}
        for document in inputs.prepared:
            current.add(document_record_key(document.name))
            current.update(drawing_key(document.name, page.number) for page in document.pages)
        stale = (key for key in self._sizes() if is_ours(key) and key not in current)
        _run_all(threads, ((self._storage.delete, key) for key in stale))

    def _sizes(self) -> dict[str, int]:
        """The sizes in bytes, by key, of all objects that may belong to a dataset."""
        return {
            found.key: found.size_bytes
            for folder in (f"{TTV}/", f"{DOCUMENTS}/")
            for found in self._storage.list_objects(folder)
        }

    def _is_there(self, page: PreparedPage) -> bool:
        name = page.labelled.file_name
        keys = [image_key(split, name) for split in splits_with(name, page.size_bytes, self._found)]
        # Images in S3 are compared by size only: reading them would cost as much as is saved. Training verifies them.
        if isinstance(self._storage, LocalStorage):
            return bool(keys) and all(sha256_object(self._storage, key) == page.sha256 for key in keys)
        return bool(keys)


def _run_all(threads: ThreadPoolExecutor, calls: Iterable[tuple[Callable[..., None], *tuple[Any, ...]]]) -> None:
    """Makes all calls in `threads` and waits for them; raises the first error."""
    for future in [threads.submit(function, *arguments) for function, *arguments in calls]:
        future.result()


def _entry(path: str, data: bytes) -> FileEntry:
    return FileEntry(path=path, size_bytes=len(data), sha256=sha256_bytes(data))
