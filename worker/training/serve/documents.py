"""Predicts the documents of requests: so many at once, so many that wait, each within its pages and its time."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, Reason, is_of_document
from training.documents.render import RenderOptions
from training.errors import describe_failure
from training.infer.prediction_file import Origin, PredictionFile
from training.infer.predictor import Predictor
from training.infer.render_ahead import DrawnPage, DrawTask
from training.infer.tables import PredictedPage, annotations
from training.model.bundle import VerifiedModel
from training.serve.result_page import result_page
from training.storage.files import sha256_file


class BusyError(Exception):
    """As many documents wait as may."""


class LateError(Exception):
    """A document took longer than one may."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What documents may take: `pages` and `seconds` of each (from its arrival, waiting included), `at_once` documents
    in work, and `waiting` ones behind them.
    """

    pages: int
    seconds: float
    at_once: int
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A PDF in a folder of the request's own, under the name that it was sent with."""

    pdf: Path
    name: str
    password: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent back, and of how many pages."""

    body: bytes
    content_type: str
    pages: int


class Documents:
    """Predicts documents in threads."""

    def __init__(
        self, model: VerifiedModel, predictor: Predictor, render: RenderOptions, limits: Limits, *, score: float
    ) -> None:
        self._model = model
        self._predictor = predictor
        self._render = render
        self._limits = limits
        self._score = score
        self._threads = ThreadPoolExecutor(limits.at_once, "document")
        self._lock = threading.Lock()
        self._in_all = 0
        self._trouble: str | None = None

    @property
    def in_all(self) -> int:
        """How many documents are in work or wait."""
        return self._in_all

    @property
    def trouble(self) -> str | None:
        """Why nothing can be predicted any more, in a sentence, or None: the process is to be started anew then."""
        return self._trouble

    def predict(self, upload: Upload, *, as_html: bool, is_given_up: Callable[[], bool]) -> "Future[Answer]":
        """Predicts a document once a thread is free for it; not to the end if nobody waits for it any more.

        Raises BusyError at once. The future raises DocumentError, LateError, and WorkerError for a fault of this
        machine.
        """
        with self._lock:
            if self._in_all >= self._limits.at_once + self._limits.waiting:
                raise BusyError
            self._in_all += 1
        deadline_s = time.monotonic() + self._limits.seconds

        def is_late() -> bool:
            return time.monotonic() > deadline_s or is_given_up()

        future = self._threads.submit(self._predict, upload, as_html, is_late)
        future.add_done_callback(self._done)
        return future

    def close(self) -> None:
        """Ends the threads after the documents that are in work."""
        self._threads.shutdown(cancel_futures=True)

    def _done(self, future: "Future[Answer]") -> None:
        with self._lock:
            self._in_all -= 1
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, LateError) and not is_of_document(error):
            self._trouble = describe_failure(error).message

    def _predict(self, upload: Upload, as_html: bool, is_late: Callable[[], bool]) -> Answer:
        if as_html:
            body, pages = result_page(upload.name, self._pages(upload, is_late), upload.pdf.parent)
            return Answer(body=body.encode(), content_type="text/html", pages=pages)
        path = upload.pdf.with_suffix(".json")
        origin = Origin(
            pdf_sha256=sha256_file(upload.pdf),
            model_sha256=self._model.sha256,
            config_sha256=self._model.config_sha256,
            dpi=self._render.dpi,
            score=self._score,
        )
        pages = 0
        with PredictionFile(path, upload.name, origin, model_uri=self._model.uri) as file:
            for _, page in self._pages(upload, is_late):
                file.add(annotations(page))
                pages += 1
        return Answer(body=path.read_bytes(), content_type="application/json", pages=pages)

    def _pages(self, upload: Upload, is_late: Callable[[], bool]) -> Iterator[tuple[DrawnPage, PredictedPage]]:
        """All pages; the image of one is there until the next chunk."""
        if is_late():
            raise LateError
        task = DrawTask(upload.name, PdfFile(upload.pdf, upload.password), upload.pdf.parent, self._render)
        with closing(self._predictor.chunks(task)) as chunks:
            for chunk, predicted in chunks:
                if chunk.pages_in_all > self._limits.pages:
                    most = self._limits.pages
                    message = f"The PDF has {chunk.pages_in_all:,} pages, more than {most:,}; send it in parts."
                    raise DocumentError(Reason.TOO_LARGE, message)
                yield from zip(chunk.pages, predicted, strict=True)
                if is_late():
                    raise LateError
