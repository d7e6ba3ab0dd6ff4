"""Finds the rows and columns of a table from the boxes of its cells. Pure.

It works for boxes that fill their cells and for boxes around the text, which the network learns from preprocess. Empty
cells are not detected and leave gaps.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from training.badgerdoc.document import Cell, PixelBox
from training.geometry import Box
from training.tables.axis import Interval, Lines, Span, centred, find_lines, guess_spans

STRIP_PX = 64
MOSTLY = 0.5  # a box with more than this fraction in another one is inside it, or its duplicate


class GridCell(NamedTuple):
    """A cell's place in the grid: `row` and `column` count from 0 and are its first ones; `box` is in pixels."""

    row: int
    column: int
    rowspan: int
    colspan: int
    is_header: bool
    box: Box

    def annotation(self, text: str | None = None) -> Cell:
        """The cell as annotators write it."""
        return Cell(
            row=self.row,
            column=self.column,
            rowspan=self.rowspan,
            colspan=self.colspan,
            bbox=PixelBox.of(self.box),
            text=text,
        )


def find_structure(cells: Sequence[Box], headers: Sequence[Box] = ()) -> list[GridCell]:
    """The place of each cell of one table, in reading order. A cell that lies mostly in one of `headers` is a header.

    Boxes must not be empty or equal (see `distinct`). Their order does not matter.
    """
    if not cells:
        return []
    boxes = sorted(cells)
    is_header = [any(share(box, header) > MOSTLY for header in headers) for box in boxes]
    x = [Interval(box.left, box.right) for box in boxes]
    y = [Interval(box.top, box.bottom) for box in boxes]
    columns = find_lines(x, guess_spans(y))
    rows = find_lines(y, columns.spans)
    columns = find_lines(x, rows.spans)
    column_spans = _widen_headings(x, columns, rows.spans, is_header)
    row_spans = _heighten_headings(y, rows, column_spans, is_header)
    found = (
        GridCell(row.first, column.first, row.last - row.first + 1, column.last - column.first + 1, header, box)
        for row, column, header, box in zip(row_spans, column_spans, is_header, boxes, strict=True)
    )
    return sorted(found)


def distinct(boxes: Iterable[Box]) -> list[Box]:
    """The boxes without duplicates: a box is left out if it overlaps an earlier one by most of the smaller of the two.

    The boxes with the highest scores must come first.
    """
    kept: list[Box] = []
    strips: dict[int, list[Box]] = defaultdict(list)  # kept boxes, by the strips of the page that they touch
    for box in boxes:
        own = range(int(box.top // STRIP_PX), int(box.bottom // STRIP_PX) + 1)
        near = (other for strip in own for other in strips[strip])
        if all(box.intersection(other).area <= MOSTLY * min(box.area, other.area) for other in near):
            kept.append(box)
            for strip in own:
                strips[strip].append(box)
    return kept


def share(box: Box, other: Box) -> float:
    """The fraction of `box` that lies in `other`, 0 to 1. `box` must not be empty."""
    return box.intersection(other).area / box.area


def _widen_headings(
    x: Sequence[Interval], columns: Lines, rows: Sequence[Span], is_header: Sequence[bool]
) -> list[Span]:
    """The columns of each cell, after headings above other headings were widened over empty places beside them."""
    spans = list(columns.spans)
    headings = [index for index, header in enumerate(is_header) if header]
    for index in headings:
        if any(rows[other].first > rows[index].last for other in headings):
            free = _free(index, spans, rows, range(len(columns.extents)))
            spans[index] = centred(x[index], spans[index], free, columns.extents)
    return spans


def _heighten_headings(
    y: Sequence[Interval], rows: Lines, columns: Sequence[Span], is_header: Sequence[bool]
) -> list[Span]:
    """The rows of each cell, after headings were extended over empty places of the header above and below them."""
    spans = list(rows.spans)
    headings = [index for index, header in enumerate(is_header) if header]
    header_rows = [row for index in headings for row in range(spans[index].first, spans[index].last + 1)]
    for index in headings:
        spans[index] = centred(y[index], spans[index], _free(index, spans, columns, header_rows), rows.extents)
    return spans


def _free(index: int, spans: Sequence[Span], across: Sequence[Span], lines: Iterable[int]) -> set[int]:
    """The `lines` without a cell beside this one."""
    free = set(lines)
    for other, span in enumerate(spans):
        if across[other].meets(across[index]):
            free.difference_update(range(span.first, span.last + 1))
    return free
