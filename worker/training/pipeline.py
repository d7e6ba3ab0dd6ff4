"""All documents: download, prepare, upload, each overlapped with the others; then the split, COCO and the manifest.

A thread per document in flight downloads it, waits for the pool's process that prepares it, and uploads what that made:
memory and disk hold only the documents in flight. A reader of the target sees the old data set, none, or the new one:
the old manifest is deleted before the first change, and the new one is written after the last.
"""

import logging
import multiprocessing
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.assemble import (
    MANIFEST_KEY,
    TTV,
    Inputs,
    build_dataset,
    check_failures,
    drawing_key,
    image_key,
)
from training.documents import (
    DocumentTask,
    PreparedDocument,
    QuarantinedDocument,
    prepare_document,
)
from training.errors import DataError, NotFound, Transient
from training.manifest import FileEntry, InputDigest, Manifest, compare, inputs_digest
from training.options import Allowance
from training.render import poppler_version
from training.source import JSON_FOLDER, PDF_FOLDER, Pair, Pairing, pair_documents
from training.split import Assignment, SplitWeights, assign_splits
from training.storage import LocalStorage, Storage, sha256_file, sha256_object
from training.transfers import TRANSFER_THREADS, thread_pool

logger = logging.getLogger(__name__)

OUTPUT_VERSION = 2  # raise it when the same input gives other files, so that no older data set counts as equal
# What earlier runs may have left; other files that people keep there are not ours to delete.
_OURS = re.compile(r"ttv/(train|val|test)/(images/[^/]+\.jpg|\1\.json)|pdfs/[^/]+/draw_ann/\d+\.jpg")


@dataclass(frozen=True)
class Parameters:
    """All that decides the data set, besides the input."""

    dpi: int = 120
    weights: SplitWeights = field(default_factory=SplitWeights)
    seed: int = 0
    max_failed: Allowance = field(default_factory=lambda: Allowance(percent=10))

    def in_manifest(self) -> dict[str, Any]:
        """As the manifest names them; `max_failed` decides whether there is a data set, not what is in it."""
        return {
            "outputVersion": OUTPUT_VERSION,
            "format": "badgerdoc",
            "renderer": f"pdftoppm {poppler_version()}",
            "images": "jpeg",
            "dpi": self.dpi,
            "split": str(self.weights),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Outcome:
    """The data set in the target; `cache_hit` says that it was there already."""

    manifest: Manifest
    cache_hit: bool
    pages_drawn: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the run is: documents done and their pages."""

    done: int
    total: int
    pages: int


def preprocess(
    source: Storage,
    target: Storage,
    parameters: Parameters,
    *,
    scratch: Path,
    workers: int,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Makes the data set of `source` (`pdfs/`, `json/`) in `target` (`ttv/`, `pdfs/*/draw_ann/`).

    Raises DataError where nothing is usable or too many documents fail, and what the storages raise.
    """
    if isinstance(source, LocalStorage) and not source.root.is_dir():
        raise NotFound(f"The source folder {source.uri()} does not exist; check --source.")
    pairing = pair_documents([*source.list_objects(PDF_FOLDER), *source.list_objects(JSON_FOLDER)], source.uri())
    for name in pairing.unmatched:
        logger.warning("%s has no partner of the same name and is left out", name)
    target.check_writable()
    cached = _cached(source, target, pairing, parameters, scratch)
    if cached is not None:
        return Outcome(cached, cache_hit=True)
    # A first guess, good unless documents fail or a class is rare, so that files go where they belong at once.
    unknown = {pair.name: frozenset[str]() for pair in pairing.pairs}
    guess = assign_splits(unknown, parameters.weights, parameters.seed)
    target.delete(MANIFEST_KEY)
    run = _Run(source, target, parameters.dpi, guess, scratch)
    inputs = run.prepare_all(pairing, workers, on_progress)
    check_failures(inputs, parameters.max_failed)
    classes = {document.name: document.classes for document in inputs.prepared}
    assignment = assign_splits(classes, parameters.weights, parameters.seed)
    dataset = build_dataset(inputs, assignment, parameters.in_manifest(), scratch)
    run.move_to(assignment, inputs.prepared)
    for path, key in dataset.annotation_files:
        target.upload_file(path, key)
    _delete_stale(target, {f"{TTV}/{file.path}" for file in dataset.manifest.files} | dataset.drawings)
    target.write_bytes(MANIFEST_KEY, dataset.manifest.to_json())
    pages = sum(len(document.pages) for document in inputs.prepared)
    return Outcome(dataset.manifest, cache_hit=False, pages_drawn=pages)


class _Run:
    """The documents' way from the source to the target."""

    def __init__(self, source: Storage, target: Storage, dpi: int, guess: Assignment, scratch: Path) -> None:
        self._source = source
        self._target = target
        self._dpi = dpi
        self._guess = guess
        self._scratch = scratch
        self._stop = threading.Event()

    def prepare_all(self, pairing: Pairing, workers: int, on_progress: Callable[[Progress], None]) -> Inputs:
        """Prepares and uploads every document. The first fault that is not a document's own ends it all."""
        inputs = Inputs.of(pairing)
        pages = 0
        # Large ones first: a long document that starts last would keep one process busy while the others idle.
        ordered = sorted(pairing.pairs, key=lambda pair: (-pair.pdf.size_bytes, pair.name))
        with (
            _process_pool(min(workers, len(ordered))) as processes,
            thread_pool(TRANSFER_THREADS, "upload") as uploads,
            thread_pool(2 * workers + 2, "document") as documents,
        ):
            waiting = [
                documents.submit(self._one, index, pair, processes, uploads) for index, pair in enumerate(ordered)
            ]
            try:
                for done, future in enumerate(as_completed(waiting), 1):
                    result, digest = future.result()
                    inputs.add(result, digest)
                    if isinstance(result, PreparedDocument):
                        pages += len(result.pages)
                        logger.info("%s: %d pages, %s", result.name, len(result.pages), _label_counts(result))
                    else:
                        logger.warning("%s is set aside: %s: %s", result.name, result.reason, result.message)
                    on_progress(Progress(done, len(ordered), pages))
            except BaseException:
                self._stop.set()
                _kill_processes()
                raise
        return inputs

    def move_to(self, assignment: Assignment, prepared: list[PreparedDocument]) -> None:
        """Moves the documents whose split is another one now that some failed; the old files become stale."""
        for document in prepared:
            old, new = self._guess.splits[document.name], assignment.splits[document.name]
            for page in document.pages if old != new else ():
                path = self._scratch / "moving.jpg"
                self._target.download_file(image_key(old, page.labelled.file_name), path)
                self._target.upload_file(path, image_key(new, page.labelled.file_name))

    def _one(
        self, index: int, pair: Pair, processes: ProcessPoolExecutor, uploads: ThreadPoolExecutor
    ) -> tuple[PreparedDocument | QuarantinedDocument, InputDigest]:
        if self._stop.is_set():
            raise Transient("The run was ended.")
        # Numbered, not named: a document's name may be anything.
        folder = self._scratch / f"{index:06d}"
        folder.mkdir()
        try:
            pdf = local_file(self._source, pair.pdf.key, folder / "document.pdf")
            json = local_file(self._source, pair.json.key, folder / "document.json")
            digest = InputDigest(sha256_file(pdf), sha256_file(json))
            task = DocumentTask(pair.name, pdf, json, folder, self._dpi)
            try:
                result = processes.submit(prepare_document, task).result()
            except BrokenProcessPool as error:
                raise Transient(
                    "A process that drew pages was killed, most likely for lack of memory; give more memory."
                ) from error
            if isinstance(result, PreparedDocument):
                self._upload(result, task, uploads)
            return result, digest
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _upload(self, document: PreparedDocument, task: DocumentTask, uploads: ThreadPoolExecutor) -> None:
        split = self._guess.splits[document.name]
        files = [
            (task.images / page.labelled.file_name, image_key(split, page.labelled.file_name))
            for page in document.pages
        ]
        files += [(task.drawings / name, drawing_key(document.name, name)) for name in document.drawings]
        for future in [uploads.submit(self._target.upload_file, path, key) for path, key in files]:
            future.result()


def local_file(storage: Storage, key: str, path: Path) -> Path:
    """The object as a local file: itself in a folder, downloaded to `path` from elsewhere."""
    if isinstance(storage, LocalStorage):
        # Absolute, so that no program takes a name that begins with "-" for an option.
        return storage.path(key).absolute()
    storage.download_file(key, path)
    return path


def _label_counts(document: PreparedDocument) -> str:
    total = sum(len(page.labelled.boxes) for page in document.pages)
    return f"{total} labels on {len(document.drawings)} of them"


def _cached(
    source: Storage, target: Storage, pairing: Pairing, parameters: Parameters, scratch: Path
) -> Manifest | None:
    """The target's data set, where this run would make the very same; cheap questions first."""
    try:
        manifest = Manifest.from_json(target.read_bytes(MANIFEST_KEY))
    except (NotFound, DataError):
        return None
    if not _is_of(manifest, pairing, parameters):
        return None
    sizes = {item.key.removeprefix(f"{TTV}/"): item.size_bytes for item in target.list_objects(f"{TTV}/")}
    if compare(manifest, sizes):
        return None

    def content(file: FileEntry) -> tuple[str, str]:
        return file.path, sha256_object(target, f"{TTV}/{file.path}")

    def digest(item: tuple[int, Pair]) -> tuple[str, InputDigest]:
        index, pair = item
        hashes = []
        for kind, key in (("pdf", pair.pdf.key), ("json", pair.json.key)):
            temporary = scratch / f"{index}.{kind}"
            hashes.append(sha256_file(local_file(source, key, temporary)))
            temporary.unlink(missing_ok=True)
        return pair.name, InputDigest(*hashes)

    with thread_pool(TRANSFER_THREADS, "verify") as threads:
        # Images in S3 are compared by size: reading all would cost what the cache saves. Training reads every byte.
        local = isinstance(target, LocalStorage)
        files = [file for file in manifest.files if local or not file.path.endswith(".jpg")]
        if compare(manifest, sizes, dict(threads.map(content, files))):
            return None
        digests = dict(threads.map(digest, enumerate(pairing.pairs)))
    return manifest if inputs_digest(digests) == manifest.input_digest else None


def _is_of(manifest: Manifest, pairing: Pairing, parameters: Parameters) -> bool:
    """Whether the data set has these parameters and these documents, as far as names tell."""
    prepared = {entry.name for entry in manifest.documents}
    quarantined = {entry.name for entry in manifest.quarantined}
    names = {pair.name for pair in pairing.pairs} | set(pairing.ambiguous)
    return (
        manifest.parameters == parameters.in_manifest()
        and manifest.unmatched == pairing.unmatched
        and prepared | quarantined == names
        and len(quarantined) <= parameters.max_failed.limit(len(names))
    )


def _delete_stale(target: Storage, current: set[str]) -> None:
    stale = [
        item.key
        for folder in (f"{TTV}/", "pdfs/")
        for item in target.list_objects(folder)
        if _OURS.fullmatch(item.key) and item.key not in current
    ]
    with thread_pool(TRANSFER_THREADS, "delete") as threads:
        for future in [threads.submit(target.delete, key) for key in stale]:
            future.result()


@contextmanager
def _process_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    # A fork server: forking this process, which has threads, can deadlock the child, and each new one started from
    # nothing would import for half a second.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training.documents"])
    pool = ProcessPoolExecutor(count, context, initializer=_own_group)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _own_group() -> None:
    """In a process of the pool: a process group of its own, so that it ends together with the poppler it started."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _kill_processes() -> None:
    for child in multiprocessing.active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
