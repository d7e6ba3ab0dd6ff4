"""Finds labels that look wrong, so that people check them; the labels stay in the dataset. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import islice

from training.labels.categories import CATEGORIES, CELL, TABLE, LabelledBox
from training.labels.remark import Remark

OUTSIDE_PART = 0.1  # fraction of a cell's area that may lie outside its table
OVERLAP_PART = 0.2  # fraction of the smaller box's area that two cells, or two tables, may share
DUPLICATE_PART = 0.9  # intersection over union above which two boxes are the same thing, labelled twice
GIANT_CELL_PART = 0.8  # fraction of its table's area
GIANT_TABLE_PART = 0.95  # fraction of the page's area
TINY_AREA_PX = 9  # pixels in all: a speck of dirt; the ink of a dash has more
TINY_TABLE_PART = 0.001  # fraction of the page's area
MAX_FINDINGS = 100  # per page: a page with more is wrong as a whole
MAX_COMPARED = 64  # boxes that each box is compared with, so that no page takes minutes
CELL_OUTSIDE = "cell outside its table"
OVERLAPPING_CELLS = "overlapping cells"
OVERLAPPING_TABLES = "overlapping tables"
DUPLICATE = "duplicate box"
WITHOUT_CELLS = "table without cells"
GIANT = "giant box"
TINY = "tiny box"


def find_outliers(labels: Sequence[LabelledBox], width: int, height: int) -> tuple[Remark, ...]:
    """What looks wrong in a page's labels, which must be ordered as `label_page` does: each table before its cells.

    `width` and `height` are in pixels. Returns at most MAX_FINDINGS, with at most one overlap per box.
    """
    return tuple(islice(_find(labels, width * height), MAX_FINDINGS))


def _find(labels: Sequence[LabelledBox], page_area: int) -> Iterator[Remark]:
    tables = _tables(labels)
    for number, (table, cells) in enumerate(tables, 1):
        area = table.width * table.height
        if area > GIANT_TABLE_PART * page_area:
            yield Remark(GIANT, f"Table {number} covers the whole page.", table.box)
        elif area < TINY_TABLE_PART * page_area:
            size = f"{table.width} x {table.height} pixels"
            yield Remark(TINY, f"Table {number} has only {size}.", table.box)
        if not cells:
            yield Remark(WITHOUT_CELLS, f"Table {number} has no cell with content.", table.box)
        yield from _cells(number, table, cells)
    for first, second, kind in _overlapping([table for table, _ in tables], OVERLAPPING_TABLES):
        what = "are nearly the same" if kind == DUPLICATE else "overlap"
        yield Remark(kind, f"The tables at {_place(first)} and {_place(second)} {what}.", second.box)
    for label in labels:
        if label.category != TABLE and label.width * label.height <= TINY_AREA_PX:
            name = CATEGORIES[label.category].lower()
            size = f"{label.width} x {label.height} pixels"
            yield Remark(TINY, f"The {name} at {_place(label)} has only {size}.", label.box)


def _cells(number: int, table: LabelledBox, cells: Sequence[LabelledBox]) -> Iterator[Remark]:
    giant_area = GIANT_CELL_PART * table.width * table.height
    for cell in cells:
        area = cell.width * cell.height
        if cell.box.intersection(table.box).area < (1 - OUTSIDE_PART) * area:
            yield Remark(CELL_OUTSIDE, f"The cell at {_place(cell)} lies outside table {number}.", cell.box)
        elif area > giant_area and len(cells) > 1:
            yield Remark(GIANT, f"The cell at {_place(cell)} covers table {number}.", cell.box)
    for first, second, kind in _overlapping(cells, OVERLAPPING_CELLS):
        what = "are nearly the same" if kind == DUPLICATE else "overlap"
        message = f"The cells at {_place(first)} and {_place(second)} of table {number} {what}."
        yield Remark(kind, message, second.box)


def _tables(labels: Sequence[LabelledBox]) -> list[tuple[LabelledBox, list[LabelledBox]]]:
    """Each table with its cells."""
    tables: list[tuple[LabelledBox, list[LabelledBox]]] = []
    for label in labels:
        if label.category == TABLE:
            tables.append((label, []))
        elif label.category == CELL and tables:
            tables[-1][1].append(label)
    return tables


def _overlapping(boxes: Sequence[LabelledBox], kind: str) -> Iterator[tuple[LabelledBox, LabelledBox, str]]:
    """Pairs of boxes that overlap too much, the one further up or left first, and `kind` or DUPLICATE.

    Sweeps down the page and keeps the boxes that the sweep is still in, sorted by left edge, so that an ordinary box is
    compared with its neighbours only.
    """
    widest = max((box.width for box in boxes), default=0)
    current: list[tuple[int, int, LabelledBox]] = []  # left, bottom, box
    prune_at = 32
    for box in sorted(boxes, key=lambda box: (box.top, box.left)):
        _, left, top, width, height = box
        if len(current) > prune_at:
            current = [entry for entry in current if entry[1] > top]
            prune_at = 2 * len(current) + 32
        last = bisect_left(current, (left + width,))
        for at in range(last - 1, max(-1, last - 1 - MAX_COMPARED), -1):
            other_left, other_bottom, other = current[at]
            if other_left + widest <= left:
                break
            shared_x = min(left + width, other_left + other.width) - max(left, other_left)
            shared_y = min(top + height, other_bottom) - top
            if shared_x <= 0 or shared_y <= 0:
                continue
            shared, area, other_area = shared_x * shared_y, width * height, other.width * other.height
            if shared > OVERLAP_PART * min(area, other_area):
                yield other, box, DUPLICATE if shared > DUPLICATE_PART * (area + other_area - shared) else kind
                break
        insort(current, (left, top + height, box))


def _place(label: LabelledBox) -> str:
    return f"({label.left}, {label.top})"
