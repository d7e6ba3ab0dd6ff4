"""Turns the network's detections on a page into tables, as annotations to write and as labels to draw. Pure.

The annotations are like those that people make, in pixels of the page as it was drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.badgerdoc.document import Block, Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes.page_geometry import PageBox
from training.geometry import Box, Word
from training.infer.cell_text import read_cells
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.labelling import MAX_ON_PAGE
from training.model.detections import Detection
from training.tables.assembly import TableBoxes, assemble_tables
from training.tables.structure import GridCell, find_structure


class PredictedCell(NamedTuple):
    """A cell's place in the grid, and the text of the PDF in it."""

    place: GridCell
    text: str


@dataclass(frozen=True)
class PredictedTable:
    """A table, its headers and its cells in reading order; all boxes are whole pixels within the page."""

    box: Box
    headers: tuple[Box, ...]
    cells: tuple[PredictedCell, ...]


@dataclass(frozen=True)
class PredictedPage:
    """A page, numbered from 0, of `width` x `height` pixels, and its tables from the top down."""

    number: int
    width: int
    height: int
    tables: tuple[PredictedTable, ...]


def predict_page(
    number: int, width: int, height: int, detections: Iterable[Detection], words: Sequence[Word]
) -> PredictedPage:
    """Builds a page's tables from the detections and the page's `words`, all boxes in pixels.

    A cell or header that lies in no table is left out. The order of the detections does not matter. Raises
    DocumentError (too_large) for a page with more words than preprocess allows.
    """
    if len(words) > MAX_ON_PAGE:
        raise DocumentError(
            Reason.TOO_LARGE, f"Page {number} has {len(words):,} words, more than {MAX_ON_PAGE:,}; split it."
        )
    page = Box(0, 0, width, height)
    predicted = (_table(found, words, page) for found in assemble_tables(width, height, detections))
    return PredictedPage(number, width, height, tuple(sorted(predicted, key=lambda table: (table.box.top, table.box))))


def annotations(page: PredictedPage) -> Page:
    """The page as annotations, to be written."""
    blocks = tuple(
        Block(
            type="table",
            bbox=PixelBox.of(table.box),
            header=tuple(cell.place.annotation(cell.text) for cell in table.cells if cell.place.is_header),
            cells=tuple(cell.place.annotation(cell.text) for cell in table.cells if not cell.place.is_header),
        )
        for table in page.tables
    )
    size = PixelBox.of(Box(0, 0, page.width, page.height))
    return Page(page_num=page.number, bbox=size, frame=PageBox.MEDIA, blocks=blocks)


def labels(page: PredictedPage) -> list[LabelledBox]:
    """The page's labels, to be drawn."""
    found = []
    for table in page.tables:
        found.append(LabelledBox.around(TABLE, table.box))
        found += [LabelledBox.around(CELL, cell.place.box) for cell in table.cells]
        found += [LabelledBox.around(HEADER, header) for header in table.headers]
    return found


def _table(found: TableBoxes, words: Sequence[Word], page: Box) -> PredictedTable:
    read = read_cells(found.cells, words)
    # Cells that became equal, as both grew to hold the same words, are kept once.
    text_of = {cell.rounded_out().intersection(page): text for cell, text in reversed(read)}
    places = find_structure(list(text_of), found.headers)
    return PredictedTable(
        found.box,
        tuple(sorted(found.headers)),
        tuple(PredictedCell(place, text_of[place.box]) for place in places),
    )
