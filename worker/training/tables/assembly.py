"""Puts the boxes that a network detected on a page together to tables. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE
from training.model.detections import Detection
from training.tables.structure import MOSTLY, distinct, share


@dataclass(frozen=True)
class TableBoxes:
    """A table with the cells and headers in it; all boxes are whole pixels within the page."""

    box: Box
    cells: tuple[Box, ...]
    headers: tuple[Box, ...]


def assemble_tables(width: int, height: int, detections: Iterable[Detection]) -> list[TableBoxes]:
    """The tables of a page of `width` x `height` pixels, the one with the highest score first.

    Of detections of the same thing only the one with the highest score stays. A cell or header that lies in no table is
    left out. The order of the detections does not matter.
    """
    page = Box(0, 0, width, height)
    found: dict[int, list[Box]] = {TABLE: [], CELL: [], HEADER: []}
    for category, _, box in sorted(detections, key=lambda item: (-item.score, item)):
        outer = box.rounded_out().intersection(page)
        if not outer.is_empty:
            found[category].append(outer)
    tables = distinct(found[TABLE])
    cells = _by_table(distinct(found[CELL]), tables)
    headers = _by_table(distinct(found[HEADER]), tables)
    return [TableBoxes(*parts) for parts in zip(tables, cells, headers, strict=True)]


def _by_table(boxes: Iterable[Box], tables: Sequence[Box]) -> list[tuple[Box, ...]]:
    """The boxes of each table: a box belongs to the table that holds most of it, if that is more than MOSTLY."""
    of_table: list[list[Box]] = [[] for _ in tables]
    for box in boxes:
        part, index = max(((share(box, table), -index) for index, table in enumerate(tables)), default=(0.0, 0))
        if part > MOSTLY:
            of_table[-index].append(box)
    return [tuple(found) for found in of_table]
