"""Draws a PDF's pages and reads their words in a process of the pool, one chunk ahead of the network.

The process has the same limits as those of preprocess, and draws the next chunk while the network predicts this one.
Memory and disk hold two chunks, however long the document is.
"""

import logging
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from training.documents.chunks import cancel_chunks, chunk_folder, chunk_result
from training.documents.page_image import PageImage
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, quarantine_faults
from training.documents.render import (
    RenderedPage,
    RenderOptions,
    check_page_pixels,
    page_chunks,
    page_sizes,
    render_pages,
)
from training.documents.sizes.page_geometry import PageSize
from training.documents.text_layer import page_words
from training.documents.undrawn.check import DrawingCheck, Finding, Surroundings
from training.geometry import Box, Word
from training.process.pool import DocumentPool

logger = logging.getLogger(__name__)
BLANK_PART = 0.15  # of a page's height: a scan that ends there may be whole


@dataclass(frozen=True)
class DrawTask:
    """The document to draw. Each chunk gets a folder of its own in `folder`."""

    name: str
    pdf: PdfFile
    folder: Path
    options: RenderOptions


@dataclass(frozen=True)
class DrawnPage:
    """A page's image, its words, with boxes in the image's pixels, and what is missing in the image."""

    image: RenderedPage
    words: list[Word]
    missing: Sequence[Finding] = ()


@dataclass(frozen=True)
class DrawnChunk:
    """Consecutive pages, with their images in `folder`; the document has `pages_in_all` pages."""

    folder: Path
    pages: tuple[DrawnPage, ...]
    pages_in_all: int


def drawn_chunks(pool: DocumentPool, task: DrawTask) -> Generator[DrawnChunk, None, None]:
    """Yields all pages, chunk by chunk; a chunk's images are deleted when the next chunk is requested.

    Close the generator if you stop early. Raises DocumentError (encrypted, corrupt, too_large, shape, timeout,
    unexpected).
    """
    number = 0
    future = pool.submit(draw_chunk, task, number)
    try:
        while True:
            chunk = chunk_result(pool, future, draw_chunk, task, number)
            if isinstance(chunk, QuarantinedDocument):
                raise DocumentError(chunk.reason, chunk.message)
            for finding in (finding for page in chunk.pages for finding in page.missing):
                logger.warning("%s: %s", task.name, finding.message)
            number += 1
            is_last = chunk.pages[-1].image.number + 1 == chunk.pages_in_all
            if not is_last:
                future = pool.submit(draw_chunk, task, number)
            yield chunk
            shutil.rmtree(chunk.folder)
            if is_last:
                return
    finally:
        cancel_chunks([future])


def draw_chunk(task: DrawTask, number: int) -> DrawnChunk | QuarantinedDocument:
    """Draws chunk `number`. Runs in a process of the pool; raises nothing for a fault of the document."""
    return quarantine_faults(task.name, lambda: _draw(task, number))


def _draw(task: DrawTask, number: int) -> DrawnChunk:
    sizes = _checked_sizes(task)
    first, last = list(page_chunks(range(len(sizes))))[number]
    pages = range(first, last + 1)
    folder = chunk_folder(task.folder, number)
    words = page_words(task.pdf, pages, sizes, task.options)
    check = DrawingCheck(task.pdf, first, last, len(sizes), task.options)
    images = render_pages(task.pdf, pages, sizes, task.options, folder=folder)
    return DrawnChunk(folder, tuple(_checked(image, words[image.number], check) for image in images), len(sizes))


def _checked(page: RenderedPage, words: list[Word], check: DrawingCheck) -> DrawnPage:
    image = PageImage(page.path)
    where = Surroundings([Box(0, 0, page.width, page.height)], BLANK_PART * page.height)
    return DrawnPage(page, words, check.findings(page, image, words, image.words_without_ink(words), where))


# Caches the current document, so that each process reads its sizes once, however many chunks it draws.
@lru_cache(maxsize=1)
def _checked_sizes(task: DrawTask) -> list[PageSize]:
    sizes = page_sizes(task.pdf)
    check_page_pixels(sizes, range(len(sizes)), task.options)
    return sizes
