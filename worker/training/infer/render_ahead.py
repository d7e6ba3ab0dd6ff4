"""A PDF's pages as images with their words, for the network: drawn in a process of the pool, a chunk at a time.

The process is bounded as those of preprocess are, and draws the next chunk while the network looks at this one. Memory
and disk hold two chunks, however long the document is.
"""

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from training.documents.chunks import cancel_chunks, chunk_folder, chunk_result
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, quarantine_faults
from training.documents.render import (
    PageSize,
    RenderedPage,
    RenderOptions,
    check_page_pixels,
    page_chunks,
    page_sizes,
    render_pages,
)
from training.documents.text_layer import page_word_texts
from training.geometry import Box
from training.process.pool import DocumentPool


@dataclass(frozen=True)
class DrawTask:
    """What to draw. `folder` takes a folder for each chunk of pages."""

    name: str
    pdf: PdfFile
    folder: Path
    options: RenderOptions


@dataclass(frozen=True)
class DrawnPage:
    """A page's image, and its words by their boxes in the image's pixels."""

    image: RenderedPage
    texts: dict[Box, str]


@dataclass(frozen=True)
class DrawnChunk:
    """Consecutive pages, whose images are in `folder`; `pages_in_all` are those of the document."""

    folder: Path
    pages: tuple[DrawnPage, ...]
    pages_in_all: int


def drawn_chunks(pool: DocumentPool, task: DrawTask) -> Generator[DrawnChunk, None, None]:
    """All pages, chunk by chunk; a chunk's images are deleted when the next one is asked for.

    Close it where not all are asked for. Raises DocumentError (encrypted, corrupt, too_large, timeout, unexpected).
    """
    number = 0
    future = pool.submit(draw_chunk, task, number)
    try:
        while True:
            chunk = chunk_result(pool, future, draw_chunk, task, number)
            if isinstance(chunk, QuarantinedDocument):
                raise DocumentError(chunk.reason, chunk.message)
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
    """Draws one chunk of pages. Runs in a process of the pool; never raises for a fault of the document."""
    return quarantine_faults(task.name, lambda: _draw(task, number))


def _draw(task: DrawTask, number: int) -> DrawnChunk:
    sizes = _checked_sizes(task)
    first, last = list(page_chunks(range(len(sizes))))[number]
    pages = range(first, last + 1)
    folder = chunk_folder(task.folder, number)
    texts = page_word_texts(task.pdf, pages, task.options)
    images = render_pages(task.pdf, pages, sizes, task.options, folder=folder)
    return DrawnChunk(folder, tuple(DrawnPage(image, texts[image.number]) for image in images), len(sizes))


# Of the document that is being drawn: each process looks into it once, however many chunks it draws.
@lru_cache(maxsize=1)
def _checked_sizes(task: DrawTask) -> list[PageSize]:
    sizes = page_sizes(task.pdf)
    check_page_pixels(sizes, range(len(sizes)), task.options.dpi)
    return sizes
