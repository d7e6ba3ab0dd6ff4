"""Labels that look wrong, for people to look at: nothing is left out for them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from training.annotate import CATEGORIES, CELL, TABLE, LabelledBox
from training.geometry import Box

OUTSIDE_PART = 0.1  # of a cell's area that may lie outside its table
OVERLAP_PART = 0.2  # of the smaller cell's area that two cells may share
GIANT_CELL_PART = 0.8  # of its table's area
GIANT_TABLE_PART = 0.95  # of the page's area
TINY_PX = 3  # a side of a box
TINY_TABLE_PART = 0.001  # of the page's area


@dataclass(frozen=True)
class Outlier:
    """One finding: `kind` is what findings are counted by, `message` says where."""

    kind: str
    message: str


def find_outliers(labels: Sequence[LabelledBox], width: int, height: int) -> tuple[Outlier, ...]:
    """What is odd about a page's labels, which are in the order of `label_page`: each table before its cells."""
    return tuple(_find(labels, width * height))


def _find(labels: Sequence[LabelledBox], page_area: int) -> Iterator[Outlier]:
    for label in labels:
        if min(label.width, label.height) < TINY_PX:
            yield Outlier("tiny box", f"{_name(label)} is only {label.width} x {label.height} pixels")
    tables = list(_tables(labels))
    for number, (table, cells) in enumerate(tables, 1):
        area = table.width * table.height
        if area > GIANT_TABLE_PART * page_area:
            yield Outlier("giant box", f"table {number} covers the whole page")
        elif area < TINY_TABLE_PART * page_area:
            yield Outlier("tiny box", f"table {number} is only {table.width} x {table.height} pixels")
        if not cells:
            yield Outlier("table without cells", f"table {number} has no cell with content")
        yield from _cells(number, _box(table), cells)
    for first, second in _overlapping([table for table, _ in tables]):
        yield Outlier("overlapping tables", f"{_name(first)} and {_name(second)} overlap")


def _cells(number: int, table: Box, cells: Sequence[LabelledBox]) -> Iterator[Outlier]:
    for cell in cells:
        box = _box(cell)
        if box.intersection(table).area < (1 - OUTSIDE_PART) * box.area:
            yield Outlier("cell outside its table", f"{_name(cell)} lies outside table {number}")
        if len(cells) > 1 and box.area > GIANT_CELL_PART * table.area:
            yield Outlier("giant box", f"{_name(cell)} covers table {number}")
    for first, second in _overlapping(cells):
        yield Outlier("overlapping cells", f"{_name(first)} and {_name(second)} of table {number} overlap")


def _tables(labels: Sequence[LabelledBox]) -> Iterator[tuple[LabelledBox, list[LabelledBox]]]:
    """Each table with its cells."""
    for index, label in enumerate(labels):
        if label.category == TABLE:
            following = labels[index + 1 :]
            end = next((at for at, other in enumerate(following) if other.category == TABLE), len(following))
            yield label, [other for other in following[:end] if other.category == CELL]


def _overlapping(labels: Sequence[LabelledBox]) -> Iterator[tuple[LabelledBox, LabelledBox]]:
    """Pairs that share much of the smaller one's area; from the top down, so that few are compared."""
    ordered = sorted(labels, key=lambda label: (label.top, label.left))
    for index, first in enumerate(ordered):
        right, bottom = first.left + first.width, first.top + first.height
        for second in islice(ordered, index + 1, None):
            if second.top >= bottom:
                break
            width = min(right, second.left + second.width) - max(first.left, second.left)
            if width <= 0:
                continue
            shared = width * (min(bottom, second.top + second.height) - second.top)
            if shared > OVERLAP_PART * min(first.width * first.height, second.width * second.height):
                yield first, second


def _box(label: LabelledBox) -> Box:
    return Box(label.left, label.top, label.left + label.width, label.top + label.height)


def _name(label: LabelledBox) -> str:
    return f"{CATEGORIES[label.category]} at {label.left}, {label.top}"
