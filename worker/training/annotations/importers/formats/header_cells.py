"""Writes the cells of a header so that preprocess makes the label of its box again. Pure.

That label is the box around the header's cells, whose own labels are as small as their text. Preprocess reads a header
row by row: the rows whose last cell reaches the table's last column are those above the body, all others belong to the
columns beside it (`labels.labelling.header_boxes`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from training.geometry import Box
from training.tables.structure import GridCell


@dataclass(frozen=True)
class WrittenHeader:
    """The header's cells as they are to be written, by the cells that were given; others are left to the body.

    `is_rows` tells a header of rows, above the body, from one of columns.
    """

    cells: Mapping[GridCell, GridCell]
    is_rows: bool


def write_header(header: Box, cells: Sequence[GridCell], table: Sequence[GridCell]) -> WrittenHeader:
    """The header's `cells`, extended over empty places in the grid, and as boxes to the edges of `header`.

    `table` are all cells of the table, those of the header included. In a header of rows, a cell in a row that cannot
    reach the last column begins in a row above that does; if others are there, it is left to the body.
    """
    last = max(column for cell in table for column in _columns(cell))
    free = _Free(cells, table)
    is_rows = header.right > min(cell.box.left for cell in table if last in _columns(cell))
    complete = _complete_rows(cells, free, last) if is_rows else {}
    written: dict[GridCell, GridCell] = {}
    for cell in sorted(cells):
        if complete.get(cell.row) == cell:
            written[cell] = cell._replace(colspan=last - cell.column + 1)
        elif not complete or cell.row in complete:
            written[cell] = free.heightened(cell)
        elif (above := free.extended_up(cell, complete)) is not None:
            written[cell] = above
        free.take(written.get(cell, cell))
    return WrittenHeader(_to_the_edges(written, header), bool(complete))


def _rows(cell: GridCell) -> range:
    return range(cell.row, cell.row + cell.rowspan)


def _columns(cell: GridCell) -> range:
    return range(cell.column, cell.column + cell.colspan)


class _Free:
    """The places in the rows and columns of a header that no cell covers."""

    def __init__(self, cells: Sequence[GridCell], table: Sequence[GridCell]) -> None:
        rows = {row for cell in cells for row in _rows(cell)}
        columns = {column for cell in table for column in _columns(cell)}
        self._places = {(row, column) for row in range(min(rows), max(rows) + 1) for column in columns}
        for cell in table:
            self.take(cell)

    def take(self, cell: GridCell) -> None:
        self._places.difference_update((row, column) for row in _rows(cell) for column in _columns(cell))

    def has(self, rows: Collection[int], columns: Collection[int]) -> bool:
        """Whether all these places are free."""
        return all((row, column) in self._places for row in rows for column in columns)

    def heightened(self, cell: GridCell) -> GridCell:
        """The cell, with the free rows above and below it."""
        first, last = cell.row, cell.row + cell.rowspan - 1
        while self.has([first - 1], _columns(cell)):
            first -= 1
        while self.has([last + 1], _columns(cell)):
            last += 1
        return cell._replace(row=first, rowspan=last - first + 1)

    def extended_up(self, cell: GridCell, rows: Collection[int]) -> GridCell | None:
        """The cell, beginning in the nearest of `rows` above it; None if other cells are in between."""
        first = max((row for row in rows if row < cell.row), default=None)
        if first is None or not self.has(range(first, cell.row), _columns(cell)):
            return None
        return cell._replace(row=first, rowspan=cell.row + cell.rowspan - first)


def _complete_rows(cells: Sequence[GridCell], free: _Free, last: int) -> dict[int, GridCell]:
    """The last cell of each row that reaches the column `last`, or does so over free places."""
    found = {}
    for row in {cell.row for cell in cells}:
        cell = max((cell for cell in cells if cell.row == row), key=lambda cell: cell.column)
        if free.has(_rows(cell), range(cell.column + cell.colspan, last + 1)):
            found[row] = cell
            free.take(cell._replace(colspan=last - cell.column + 1))
    return found


def _to_the_edges(cells: Mapping[GridCell, GridCell], header: Box) -> dict[GridCell, GridCell]:
    """The cells, of which the outermost one in each direction reaches to the edge of the header."""
    if not cells:
        return {}
    found = dict(cells)
    outermost = (
        min(found, key=lambda cell: cell.box.left),
        min(found, key=lambda cell: cell.box.top),
        max(found, key=lambda cell: cell.box.right),
        max(found, key=lambda cell: cell.box.bottom),
    )
    for edge, cell in enumerate(outermost):
        box = list(found[cell].box)
        box[edge] = min(box[edge], header[edge]) if edge < 2 else max(box[edge], header[edge])
        found[cell] = found[cell]._replace(box=Box(*box))
    return found
