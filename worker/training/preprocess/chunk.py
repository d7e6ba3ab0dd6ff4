"""Prepares a chunk of one document in a process of the pool: PDF and JSON in, page images, labels and drawings out.

A fault of the document quarantines this document alone.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from training.badgerdoc.document import Page, check_page_numbers
from training.badgerdoc.page_index import PageFile
from training.badgerdoc.reader import page_texts
from training.dataset.layout import image_name
from training.dataset.prepared_document import PageRecord, PreparedPage
from training.documents.chunks import chunk_folder
from training.documents.page_image import PageImage
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason, quarantine_faults
from training.documents.render import (
    PAGES_PER_CHUNK,
    RenderedPage,
    RenderOptions,
    check_page_pixels,
    page_chunks,
    page_geometries,
    render_pages,
)
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageBox, PageSize
from training.documents.text_layer import page_words
from training.documents.undrawn.check import DrawingCheck, Surroundings
from training.geometry import Word, Words
from training.labels.agreement import Agreement, total
from training.labels.categories import TABLE
from training.labels.draw import draw_page
from training.labels.frames.evidence import Content
from training.labels.frames.frame import AUTO, Coordinates, Projection
from training.labels.frames.search import DocumentFrame
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.labels.labelling import PageLabels, label_page
from training.labels.mismatch import better_page, elsewhere, text_mismatch
from training.labels.remark import Remark
from training.preprocess.document_frame import Sheets, find_frame
from training.storage.files import sha256_file

TABLE_SLACK_PT = 12  # what may be blank at a table's lower end: a row of text


@dataclass(frozen=True)
class PageOptions:
    """How pages are read and drawn; `frame` is the box of the pages that boxes count from, or None to find it."""

    render: RenderOptions = field(default_factory=RenderOptions)
    annotation_format: str = "auto"
    coordinates: Coordinates = AUTO
    frame: PageBox | None = None


@dataclass(frozen=True)
class DocumentTask:
    """The document to prepare. Each chunk gets a folder of its own in `folder`."""

    name: str
    pdf: PdfFile
    json: Path
    folder: Path
    options: PageOptions


@dataclass(frozen=True)
class PreparedChunk:
    """A chunk's pages, sorted by number, with their files in `folder`; the whole document has `chunks` chunks.

    If the `agreement` of the cells' texts with the pages is doubtful, `other_pages` says where the texts are instead.
    """

    folder: Path
    pages: tuple[PreparedPage, ...]
    chunks: int
    agreement: Agreement = field(default_factory=Agreement)
    other_pages: str = ""

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def drawings(self) -> Path:
        return self.folder / "draw_ann"

    @property
    def record_lines(self) -> Path:
        """The file with the pages' lines of the document's record."""
        return self.folder / "record-lines"

    def image(self, page: PreparedPage) -> Path:
        """The file of the page's image."""
        return self.images / page.labelled.file_name

    def drawing(self, page: PreparedPage) -> Path:
        """The file of the page with its labels drawn on it."""
        return self.drawings / f"{page.number}.jpg"


def prepare_chunk(task: DocumentTask, number: int) -> PreparedChunk | QuarantinedDocument:
    """Renders and labels the pages of chunk `number`. Pages that are not in the JSON were not annotated: left out.

    Raises nothing for a fault of the document, and WorkerError (ConfigError, Transient) for a fault of this machine.
    """
    return quarantine_faults(task.name, lambda: _prepare(task, number))


@dataclass(frozen=True)
class _Opened:
    """A document whose pages were checked before they are drawn: the annotated pages, and the sizes of all pages."""

    pages: PageFile
    frame: DocumentFrame
    sizes: list[PageSize]


# Caches the current document, so that each process reads its annotations once, however many chunks it gets.
@lru_cache(maxsize=1)
def _open(task: DocumentTask) -> _Opened:
    texts = page_texts(task.json.read_bytes(), task.options.annotation_format)
    pages = PageFile(task.folder / f"annotations-{os.getpid()}", texts)
    geometries = page_geometries(task.pdf)
    check_page_numbers(pages.numbers, len(geometries))
    options = task.options
    # Before the frame is looked for, whose sentence would hide the reason. With a CropBox, the frame decides the size.
    uncropped = [number for number in pages.numbers if not geometries[number].size(PageBox.CROP).is_cropped]
    check_page_pixels([geometry.size(PageBox.MEDIA) for geometry in geometries], uncropped, options.render)
    sheets = Sheets(task.pdf, geometries, options.render, task.folder)
    frame = find_frame(pages, sheets, box=options.frame, coordinates=options.coordinates)
    sizes = [geometry.size(frame.frame.box) for geometry in geometries]
    check_page_pixels(sizes, pages.numbers, options.render)
    return _Opened(pages, frame, sizes)


def _prepare(task: DocumentTask, number: int) -> PreparedChunk:
    opened = _open(task)
    chunks = list(page_chunks(opened.pages.numbers))
    first, last = chunks[number]
    annotated = opened.pages.read(range(first, last + 1))
    chunk = PreparedChunk(chunk_folder(task.folder, number), (), len(chunks))
    chunk.images.mkdir()
    chunk.drawings.mkdir()
    with_tables = [number for number, page in annotated.items() if page.tables]
    options = task.options.render
    # A document of one page may have nothing but the words that ask for another program.
    worded = list(annotated) if len(opened.sizes) == 1 else with_tables
    words = page_words(task.pdf, worded, opened.sizes, options)
    check = DrawingCheck(task.pdf, first, last, len(opened.sizes), options)
    pages = []
    read: dict[int, PageLabels] = {}
    with chunk.record_lines.open("wb") as lines:
        for rendered in render_pages(task.pdf, list(annotated), opened.sizes, options, folder=chunk.folder):
            image = PageImage(rendered.path)
            found = words.get(rendered.number, [])
            hidden = dict.fromkeys(image.words_without_ink(found))
            visible = [word for word in found if word not in hidden]
            labels = read[rendered.number] = _label(annotated[rendered.number], rendered, image, visible, opened)
            labelled = _labelled(task, rendered, labels)
            # A text layer that is out of place has words on blank paper, but the cells have their ink.
            lost = [word for word in hidden if all(word.box.intersection(cell).is_empty for cell in labels.inked)]
            missing = check.findings(rendered, image, found, lost, _tables(labelled, options))
            labelled = replace(labelled, remarks=(*labelled.remarks, *(Remark(*finding) for finding in missing)))
            page = PreparedPage(rendered.number, labelled, rendered.path.stat().st_size, sha256_file(rendered.path))
            thumbnail = draw_page(image.small, rendered.width, labelled.boxes, chunk.drawing(page))
            rendered.path.replace(chunk.image(page))
            lines.write(PageRecord.of(page, thumbnail).to_line())
            pages.append(page)
    agreement = total(labels.agreement for labels in read.values())
    is_doubtful = agreement.contradicts_as_a_whole or any(labels.agreement.contradicts for labels in read.values())
    other_pages = _check_texts(task, opened, read) if is_doubtful else ""
    return replace(chunk, pages=tuple(pages), agreement=agreement, other_pages=other_pages)


def _check_texts(task: DocumentTask, opened: _Opened, read: Mapping[int, PageLabels]) -> str:
    """Looks for cells' texts that are not on their pages on the pages around; returns what `elsewhere` says of them.

    Raises DocumentError (text_mismatch) if a single page is enough to judge by.
    """
    first, last = max(0, min(read) - PAGES_PER_CHUNK), min(len(opened.sizes), max(read) + 1 + PAGES_PER_CHUNK)
    found = page_words(task.pdf, range(first, last), opened.sizes, task.options.render)
    around = {number: Words(words) for number, words in found.items()}
    better = {number: better_page(labels.texts, labels.agreement, around) for number, labels in read.items()}
    other_pages = elsewhere((number, other) for number, other in better.items() if other is not None)
    for number, labels in read.items():
        if labels.agreement.contradicts:
            raise text_mismatch(f"page {number}", labels.agreement, other_pages)
    return other_pages


def _label(page: Page, rendered: RenderedPage, image: PageImage, words: list[Word], opened: _Opened) -> PageLabels:
    if not page.tables:
        return PageLabels([])
    if image.is_blank:
        raise DocumentError(
            Reason.CORRUPT,
            f"Page {page.page_num} has tables but was drawn blank; the PDF is damaged, export it again.",
        )
    placement = opened.frame.placement(page, Content(Words(words), image.is_ink_whole))
    projection = Projection(placement, rendered.width, rendered.height)
    return label_page(page, projection, words, image.ink, strong_ink=image.strong_ink, ink_share=image.ink_share)


def _labelled(task: DocumentTask, rendered: RenderedPage, labels: PageLabels) -> LabelledPage:
    name = image_name(task.name, rendered.number, rendered.path.suffix)
    return LabelledPage(name, rendered.width, rendered.height, PackedBoxes(labels.boxes), labels.remarks)


def _tables(page: LabelledPage, options: RenderOptions) -> Surroundings:
    tables = [label.box for label in page.boxes if label.category == TABLE]
    return Surroundings(tables, TABLE_SLACK_PT * options.dpi / POINTS_PER_INCH, have_labels=bool(tables))
