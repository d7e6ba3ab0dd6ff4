"""Predicts a document's pages, chunk by chunk: what draws the pages, the network, and what makes tables of detections.

The network is loaded with the first page to predict: until then it may not be needed.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Protocol

from training.documents.quarantine import DocumentError, Reason
from training.errors import CudaOOM, WorkerError, as_typed
from training.infer.render_ahead import DrawnChunk, DrawTask, drawn_chunks
from training.infer.tables import PredictedPage, predict_page
from training.model.detections import Detection
from training.process.pool import DocumentPool


class PageDetector(Protocol):
    """A network that detects tables, cells and headers on pages."""

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        """The detections on each of the page images, in pixels of that image."""


class Predictor:
    """Predicts documents with one network; a detection below `score` (0 to 1) does not count."""

    def __init__(self, pool: DocumentPool, load_detector: Callable[[], PageDetector], *, score: float) -> None:
        self._pool = pool
        self._load_detector = load_detector
        self._score = score

    def chunks(self, task: DrawTask) -> Generator[tuple[DrawnChunk, list[PredictedPage]], None, None]:
        """Yields all pages of a document, chunk by chunk; a chunk's images are deleted when the next is asked for.

        Close the generator if you stop early. Raises DocumentError for a fault of the document, WorkerError for one of
        this machine or its GPU.
        """
        with closing(drawn_chunks(self._pool, task)) as chunks:
            for chunk in chunks:
                yield chunk, self._predict(chunk)

    def _predict(self, chunk: DrawnChunk) -> list[PredictedPage]:
        detected = self._detect([page.image.path for page in chunk.pages])
        return [
            predict_page(
                page.image.number,
                page.image.width,
                page.image.height,
                [found for found in detections if found.score >= self._score],
                page.words,
            )
            for page, detections in zip(chunk.pages, detected, strict=True)
        ]

    def _detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        detector = self._detector
        try:
            return detector.detect(images)
        except Exception as error:
            typed = as_typed(error)
            if isinstance(typed, CudaOOM):
                # The network was loaded and got each page alone, so that it is one of these that does not fit.
                message = f"The GPU has too little memory for a page; lower --dpi, or split the PDF ({typed})."
                raise DocumentError(Reason.TOO_LARGE, message) from error
            raise

    @cached_property
    def _detector(self) -> PageDetector:
        try:
            return self._load_detector()
        except WorkerError:
            raise
        except Exception as error:  # no document's fault, whatever it is
            raise as_typed(error) from error
