"""Prepares all documents in parallel: downloads each from the source, prepares its chunks, uploads them to the target.

Each document in flight has a thread, which downloads it, waits for the processes that prepare its chunks, and uploads
the results, so memory and disk hold only the documents in flight. A document whose record in the target has the same
key is not prepared again.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.badgerdoc.corpus import Pair
from training.dataset.manifest import InputDigest
from training.dataset.prepared_document import (
    PreparedDocument,
    RecordFolder,
    record_key,
    write_record,
)
from training.documents.chunks import cancel_chunks, chunk_result
from training.documents.passwords import Passwords
from training.documents.poppler import PdfFile
from training.documents.quarantine import QuarantinedDocument
from training.errors import Transient
from training.labels.agreement import total
from training.labels.mismatch import text_mismatch
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk
from training.preprocess.target import Target
from training.process.limits import limit_process
from training.process.pool import DocumentPool
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage
from training.storage.files import sha256_file
from training.storage.local import local_file

logger = logging.getLogger(__name__)
Chunk = PreparedChunk | QuarantinedDocument
MAX_PAGES_NAMED = 12  # in one line of the log


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Source, target and options of the preparation.

    `page_parameters` are those that decide a document's pages. Every document's record is written to `records`.
    """

    source: Storage
    target: Target
    options: PageOptions
    page_parameters: Mapping[str, Any]
    passwords: Passwords
    records: RecordFolder
    scratch: Path


@dataclass(frozen=True)
class Progress:
    """How far a run is: the finished fraction (0 to 1, by the PDFs' sizes), and the finished documents and pages."""

    fraction: float
    documents: int
    pages: int


@dataclass(frozen=True)
class Prepared:
    """The result for a document, the digest of its files, and whether this run made the result."""

    result: PreparedDocument | QuarantinedDocument
    digest: InputDigest
    is_new: bool


def prepare_documents(
    preparation: Preparation, pairs: Sequence[Pair], *, workers: int, on_progress: Callable[[Progress], None]
) -> list[Prepared]:
    """Prepares all documents; results come in any order. The first fault that is not a document's own ends the run.

    `on_progress` is called when the first document begins, and after each part of one.
    """
    if not pairs:
        return []
    # Large documents first: one that starts last would keep one process busy while the others idle.
    ordered = sorted(pairs, key=lambda pair: (-pair.pdf.size_bytes, pair.name))
    results: list[Prepared] = []
    with (
        DocumentPool(workers, initialize=limit_process, preload=prepare_chunk.__module__) as processes,
        thread_pool(TRANSFER_THREADS, "upload") as uploads,
        thread_pool(2 * workers + 2, "document") as documents,
    ):
        work = _Work(preparation, processes, uploads, _Meter(ordered, on_progress))
        waiting = [documents.submit(work.one, index, pair) for index, pair in enumerate(ordered)]
        try:
            for future in as_completed(waiting):
                results.append(future.result())
                _log(results[-1])
        except BaseException:
            work.stop()
            raise
    return results


class _Meter:
    """Adds up the progress of all threads and reports it."""

    def __init__(self, pairs: Sequence[Pair], on_progress: Callable[[Progress], None]) -> None:
        self._total = sum(pair.pdf.size_bytes + 1 for pair in pairs)
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._fractions: dict[str, float] = {}  # finished bytes of the documents that are not done, by name
        self._done_bytes = 0
        self._documents = 0
        self._pages = 0
        self._tell()

    def chunk(self, pair: Pair, done: PreparedChunk) -> None:
        """One chunk of a document is done."""
        with self._lock:
            self._fractions[pair.name] = self._fractions.get(pair.name, 0.0) + (pair.pdf.size_bytes + 1) / done.chunks
            self._pages += len(done.pages)
            self._tell()

    def document(self, pair: Pair) -> None:
        """A document is done, whether its chunks were prepared or not."""
        with self._lock:
            self._fractions.pop(pair.name, None)
            self._done_bytes += pair.pdf.size_bytes + 1
            self._documents += 1
            self._tell()

    def _tell(self) -> None:
        fraction = min(1.0, (self._done_bytes + sum(self._fractions.values())) / self._total)
        self._on_progress(Progress(fraction, self._documents, self._pages))


class _Work:
    """The work of the document threads."""

    def __init__(
        self, preparation: Preparation, processes: DocumentPool, uploads: ThreadPoolExecutor, meter: _Meter
    ) -> None:
        self._preparation = preparation
        self._processes = processes
        self._uploads = uploads
        self._meter = meter
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the running documents; those that wait do not begin."""
        self._stopped.set()
        self._processes.kill()

    def one(self, index: int, pair: Pair) -> Prepared:
        """Prepares one document in the target, unless it is there already."""
        self._check_running()
        # Numbered, since a document's name may not be a valid folder name.
        folder = self._preparation.scratch / f"{index:06d}"
        folder.mkdir()
        try:
            pdf = local_file(self._preparation.source, pair.pdf.key, folder / "document.pdf")
            json = local_file(self._preparation.source, pair.json.key, folder / "document.json")
            digest = InputDigest(sha256_file(pdf), sha256_file(json))
            document = PreparedDocument(
                pair.name, record_key(pair.name, digest, self._preparation.page_parameters), digest, ()
            )
            known = self._preparation.target.known(document, self._preparation.records.path(pair.name))
            if known is not None:
                return Prepared(known, digest, is_new=False)
            password = self._preparation.passwords.of(pair.name)
            task = DocumentTask(pair.name, PdfFile(pdf, password), json, folder, self._preparation.options)
            return Prepared(self._prepare(pair, task, document), digest, is_new=True)
        finally:
            self._meter.document(pair)
            shutil.rmtree(folder, ignore_errors=True)

    def _prepare(
        self, pair: Pair, task: DocumentTask, document: PreparedDocument
    ) -> PreparedDocument | QuarantinedDocument:
        target = self._preparation.target
        target.begin_document(document)
        done: dict[int, PreparedChunk] = {}
        waiting: dict[Future[Chunk], int] = {self._submit(task, 0): 0}
        while waiting:
            future = next(as_completed(waiting))
            number = waiting.pop(future)
            chunk = chunk_result(self._processes, future, prepare_chunk, task, number)
            if isinstance(chunk, QuarantinedDocument):
                cancel_chunks(waiting)
                self._discard(document, done.values())
                return chunk
            target.upload_pages(document, chunk, self._uploads)
            shutil.rmtree(chunk.images)
            shutil.rmtree(chunk.drawings)
            self._meter.chunk(pair, chunk)
            done[number] = chunk
            if number == 0:
                waiting = {self._submit(task, other): other for other in range(1, chunk.chunks)}
        chunks = [done[number] for number in sorted(done)]
        agreement = total(chunk.agreement for chunk in chunks)
        if agreement.contradicts_as_a_whole:
            self._discard(document, chunks)
            other_pages = next((chunk.other_pages for chunk in chunks if chunk.other_pages), "")
            error = text_mismatch("all its pages", agreement, other_pages)
            return QuarantinedDocument(task.name, error.quarantine_reason, str(error))
        document = replace(document, pages=tuple(page for chunk in chunks for page in chunk.pages))
        path = self._preparation.records.path(task.name)
        write_record(path, document, [chunk.record_lines for chunk in chunks])
        target.finish_document(document, path)
        return document

    def _discard(self, document: PreparedDocument, chunks: Iterable[PreparedChunk]) -> None:
        self._preparation.target.discard(document, (page for chunk in chunks for page in chunk.pages))

    def _submit(self, task: DocumentTask, number: int) -> "Future[Chunk]":
        self._check_running()
        return self._processes.submit(prepare_chunk, task, number)

    def _check_running(self) -> None:
        if self._stopped.is_set():
            raise Transient("The run was ended.")


def _log(prepared: Prepared) -> None:
    result = prepared.result
    if isinstance(result, QuarantinedDocument):
        logger.warning("%s is quarantined: %s: %s", result.name, result.reason, result.message)
        return
    labels = sum(len(page.labelled.boxes) for page in result.pages)
    how = "prepared" if prepared.is_new else "was prepared already"
    logger.info("%s %s: %d pages, %d labels", result.name, how, len(result.pages), labels)
    if odd := _odd(result):
        logger.warning("%s has what report.html shows as odd: %s", result.name, odd)


def _odd(document: PreparedDocument) -> str:
    """How many remarks of each kind there are, and on which pages: `3 text_differs (page 0), …`."""
    pages: dict[str, list[int]] = {}
    for page in document.pages:
        for remark in page.labelled.remarks:
            pages.setdefault(remark.kind, []).append(page.number)
    return ", ".join(f"{len(found)} {kind} ({_list_pages(found)})" for kind, found in sorted(pages.items()))


def _list_pages(numbers: Iterable[int]) -> str:
    different = sorted(set(numbers))
    shown = ", ".join(map(str, different[:MAX_PAGES_NAMED]))
    more = f" and {len(different) - MAX_PAGES_NAMED:,} more" if len(different) > MAX_PAGES_NAMED else ""
    return f"{'page' if len(different) == 1 else 'pages'} {shown}{more}"
