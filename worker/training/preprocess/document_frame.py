"""Finds the frame of a document's boxes, and looks at its pages only if that takes more than their sizes."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.badgerdoc.document import Page
from training.badgerdoc.page_index import PageFile
from training.documents.page_image import PageImage
from training.documents.poppler import PdfFile
from training.documents.render import RenderOptions, check_page_pixels, render_pages
from training.documents.sizes.page_geometry import PageBox, PageGeometry
from training.documents.text_layer import page_words
from training.geometry import Words
from training.labels.frames.evidence import Content
from training.labels.frames.frame import Coordinates, possible_frames
from training.labels.frames.search import DocumentFrame, FrameSearch, sample

DRAWN_PAGES = 4  # of the sample, if they have no words: drawing takes much longer than reading words


@dataclass(frozen=True)
class Sheets:
    """The PDF of a document and the boxes of all its pages, how pages are drawn, and a folder to draw some in."""

    pdf: PdfFile
    geometries: Sequence[PageGeometry]
    options: RenderOptions
    folder: Path


def find_frame(pages: PageFile, sheets: Sheets, *, box: PageBox | None, coordinates: Coordinates) -> DocumentFrame:
    """The frame of the boxes of `pages`; `box` is stated, or None.

    Raises DocumentError (coordinates, and those of reading and drawing pages).
    """
    frames = possible_frames(sheets.geometries, pages.numbers, box, coordinates)
    search = FrameSearch(frames, sheets.geometries, dpi=sheets.options.dpi, coordinates=coordinates)
    if len(frames) > 1:
        for page in pages.each():
            search.see(page)
            if len(search.frames) == 1:
                break
    return search.choose(_contents(pages, sheets))


def _contents(pages: PageFile, sheets: Sheets) -> Iterator[tuple[Page, Content]]:
    """A sample of the pages with tables, with their content in pixels of the MediaBox."""
    with_tables = [page.page_num for page in pages.each() if page.tables]
    seen = pages.read(sample(with_tables))
    sizes = [geometry.size(PageBox.MEDIA) for geometry in sheets.geometries]
    words = page_words(sheets.pdf, list(seen), sizes, sheets.options)
    for number, page in seen.items():
        if words[number]:
            yield page, Content(Words(words[number]), lambda _: None)
    drawn = [number for number in seen if not words[number]][:DRAWN_PAGES]
    check_page_pixels(sizes, drawn, sheets.options)
    with tempfile.TemporaryDirectory(dir=sheets.folder) as drawings:
        for rendered in render_pages(sheets.pdf, drawn, sizes, sheets.options, folder=Path(drawings)):
            yield seen[rendered.number], Content(Words([]), PageImage(rendered.path).is_ink_whole)
