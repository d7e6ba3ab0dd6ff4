"""Predicts all documents: draws the pages, detects tables, writes the predictions, a document's JSON last.

A document that fails, whatever the reason, is logged, and the others go on; a fault of the machine ends the run. A
document is skipped if its JSON is the same prediction that would be made, or if somebody has changed its JSON.
"""

import enum
import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from training.documents.names import JSON_FOLDER, PDF_FOLDER
from training.documents.page_image import PageImage
from training.documents.passwords import Passwords
from training.documents.poppler import PdfFile
from training.documents.quarantine import QuarantinedDocument, is_of_document, quarantine_faults
from training.documents.render import RenderOptions
from training.infer.pdfs import PdfDocument, PdfSource
from training.infer.prediction_file import Found, Origin, PredictionFile, recognise
from training.infer.predictor import PageDetector, Predictor
from training.infer.render_ahead import DrawnPage, DrawTask
from training.infer.tables import PredictedPage, annotations, labels
from training.labels.draw import draw_page
from training.model.bundle import VerifiedModel
from training.process.pool import DocumentPool
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage
from training.storage.files import sha256_file
from training.storage.local import LocalStorage, local_file

logger = logging.getLogger(__name__)
DRAWING_FOLDER = "draw/"


@dataclass(frozen=True, kw_only=True)
class InferencePlan:
    """The documents to predict, the model, the options and the target. Each document gets a folder in `scratch`."""

    source: PdfSource
    target: Storage
    model: VerifiedModel
    load_detector: Callable[[], PageDetector]
    render: RenderOptions
    score: float
    passwords: Passwords
    copy_pdfs: bool
    force: bool
    scratch: Path


class State(enum.Enum):
    """The result for a document."""

    PREDICTED = enum.auto()
    UP_TO_DATE = enum.auto()
    KEPT = enum.auto()  # not replaced, since somebody has changed it
    FAILED = enum.auto()


@dataclass(frozen=True)
class DocumentOutcome:
    """The result for the document called `name`, with a message for people."""

    name: str
    state: State
    message: str


def predict_documents(plan: InferencePlan, pool: DocumentPool) -> list[DocumentOutcome]:
    """Predicts all documents, one after the other. The first fault that is not a document's own ends the run."""
    outcomes = [_failed(document) for document in plan.source.unusable]
    for outcome in outcomes:
        _log(outcome, "")
    work = _Work(plan, pool)
    for index, document in enumerate(plan.source.documents, 1):
        outcome = work.one(index, document)
        _log(outcome, f"{index}/{len(plan.source.documents)} ")
        outcomes.append(outcome)
    return outcomes


class _Work:
    """The work for each document."""

    def __init__(self, plan: InferencePlan, pool: DocumentPool) -> None:
        self._plan = plan
        self._pool = pool
        self._predictor = Predictor(pool, plan.load_detector, score=plan.score)

    def one(self, index: int, document: PdfDocument) -> DocumentOutcome:
        """Writes one document's predictions to the target, unless they are there already."""
        # Numbered, since a document's name may not be a valid folder name.
        folder = self._plan.scratch / f"{index:06d}"
        folder.mkdir()
        try:
            outcome = quarantine_faults(document.name, lambda: self._one(document, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return _failed(outcome) if isinstance(outcome, QuarantinedDocument) else outcome

    def _one(self, document: PdfDocument, folder: Path) -> DocumentOutcome:
        plan = self._plan
        pdf = local_file(plan.source.storage, document.key, folder / "document.pdf")
        origin = Origin(
            pdf_sha256=sha256_file(pdf),
            model_sha256=plan.model.sha256,
            config_sha256=plan.model.config_sha256,
            dpi=plan.render.dpi,
            score=plan.score,
        )
        found = None if plan.force else self._find(document, origin)
        if found is Found.SAME:
            return DocumentOutcome(document.name, State.UP_TO_DATE, "was predicted already")
        if found is Found.CHANGED:
            where = plan.target.uri(self._json_key(document))
            return DocumentOutcome(
                document.name, State.KEPT, f"{where} is not as it was predicted and is kept; --force replaces it"
            )
        return DocumentOutcome(document.name, State.PREDICTED, self._predict(document, pdf, origin, folder))

    def _find(self, document: PdfDocument, origin: Origin) -> Found | None:
        """What the target holds for the document: None without a JSON, OTHER instead of SAME without a due PDF copy."""
        target = self._plan.target
        if target.stat(self._json_key(document)) is None:
            return None
        found = recognise(target.read_bytes(self._json_key(document)), origin)
        if found is Found.SAME and self._copies(document) and target.stat(PDF_FOLDER + document.file_name) is None:
            return Found.OTHER
        return found

    def _predict(self, document: PdfDocument, pdf: Path, origin: Origin, folder: Path) -> str:
        plan = self._plan
        path = folder / "prediction.json"
        task = DrawTask(document.name, PdfFile(pdf, plan.passwords.of(document.name)), folder, plan.render)
        pages = tables = cells = 0
        doc_name = document.key.rpartition("/")[2]
        with (
            PredictionFile(path, doc_name, origin, model_uri=plan.model.uri) as file,
            closing(self._predictor.chunks(task)) as chunks,
        ):
            try:
                for chunk, predicted in chunks:
                    self._store_drawings(document, chunk.pages, predicted, folder)
                    for page in predicted:
                        file.add(annotations(page))
                        tables += len(page.tables)
                        cells += sum(len(table.cells) for table in page.tables)
                    pages += len(predicted)
                    logger.debug("%s: %d of %d pages", document.name, pages, chunk.pages_in_all)
            except BaseException as error:
                if not is_of_document(error):
                    # The run is over: do not wait for a page that takes minutes to draw.
                    self._pool.kill()
                raise
        self._delete_drawings(document, pages)
        if self._copies(document):
            plan.target.upload_file(pdf, PDF_FOLDER + document.file_name)
        plan.target.upload_file(path, self._json_key(document))
        return f"{pages} pages, {tables} tables, {cells} cells"

    def _store_drawings(
        self, document: PdfDocument, pages: Sequence[DrawnPage], predicted: Sequence[PredictedPage], folder: Path
    ) -> None:
        def store(page: DrawnPage, prediction: PredictedPage) -> None:
            path = folder / f"draw-{prediction.number}.jpg"
            draw_page(PageImage(page.image.path).small, page.image.width, labels(prediction), path)
            self._plan.target.upload_file(path, self._drawing_key(document, prediction.number))
            path.unlink()

        with thread_pool(TRANSFER_THREADS, "drawing") as threads:
            for future in [threads.submit(store, *pair) for pair in zip(pages, predicted, strict=True)]:
                future.result()

    def _delete_drawings(self, document: PdfDocument, pages: int) -> None:
        """Deletes drawings of further pages, which an earlier PDF of that name had."""
        target = self._plan.target
        keep = {self._drawing_key(document, number) for number in range(pages)}
        for found in list(target.list_objects(f"{DRAWING_FOLDER}{document.file_stem}/")):
            if found.key not in keep:
                target.delete(found.key)

    def _copies(self, document: PdfDocument) -> bool:
        """Whether to copy the PDF to the target: not if source and target are one folder, where it is already."""
        source, target = self._plan.source.storage, self._plan.target
        copy_key = PDF_FOLDER + document.key.rpartition("/")[2]
        if isinstance(source, LocalStorage) and isinstance(target, LocalStorage):
            is_there = source.path(document.key).resolve() == target.path(copy_key).resolve()
        else:
            is_there = source.uri(document.key) == target.uri(copy_key)
        return self._plan.copy_pdfs and not is_there

    def _json_key(self, document: PdfDocument) -> str:
        return f"{JSON_FOLDER}{document.file_stem}.json"

    def _drawing_key(self, document: PdfDocument, page: int) -> str:
        return f"{DRAWING_FOLDER}{document.file_stem}/{page}.jpg"


def _failed(document: QuarantinedDocument) -> DocumentOutcome:
    return DocumentOutcome(document.name, State.FAILED, f"{document.reason}: {document.message}")


def _log(outcome: DocumentOutcome, progress: str) -> None:
    level = logging.INFO if outcome.state in (State.PREDICTED, State.UP_TO_DATE) else logging.WARNING
    logger.log(level, "%s%s: %s", progress, outcome.name, outcome.message)
