"""Cells of a table whose rows, columns, spanning cells and column header are boxes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.geometry import Box, union
from training.tables.structure import MOSTLY, GridCell, share

Place = tuple[int, int]  # row and column


@dataclass(frozen=True)
class TableGrid:
    """The parts of one table, in pixels. `spanning` are cells of several rows or columns."""

    rows: Sequence[Box]
    columns: Sequence[Box]
    spanning: Sequence[Box] = ()
    header: Sequence[Box] = ()


def grid_cells(table: TableGrid) -> list[GridCell]:
    """The cells in reading order: one for each row and column, but for those that a spanning cell covers.

    A cell is where its rows and columns cross. It is a header's if its first row lies mostly in the column header.
    Where two spanning cells want the same place, the larger one gets it.
    """
    rows = sorted(table.rows, key=lambda row: (row.top + row.bottom, row))
    columns = sorted(table.columns, key=lambda column: (column.left + column.right, column))
    boxes: dict[Place, Box] = {}
    for number, row in enumerate(rows):
        for other, column in enumerate(columns):
            box = row.intersection(column)
            if not box.is_empty:
                boxes[number, other] = box
    header_rows = {n for n, row in enumerate(rows) if any(share(row, header) > MOSTLY for header in table.header)}
    cells = []
    free = set(boxes)
    for spanning in sorted(table.spanning, key=lambda box: (-box.area, box)):
        covered = _rectangle([place for place, box in boxes.items() if share(box, spanning) > MOSTLY])
        if len(covered) > 1 and free.issuperset(covered):
            free.difference_update(covered)
            cells.append(_cell(covered, boxes, header_rows))
    cells += [_cell([place], boxes, header_rows) for place in free]
    return sorted(cells)


def _rectangle(places: Sequence[Place]) -> list[Place]:
    """All places between the outermost ones."""
    if not places:
        return []
    rows, columns = zip(*places, strict=True)
    return [(r, c) for r in range(min(rows), max(rows) + 1) for c in range(min(columns), max(columns) + 1)]


def _cell(places: Sequence[Place], boxes: dict[Place, Box], header_rows: set[int]) -> GridCell:
    (row, column), (last_row, last_column) = min(places), max(places)
    return GridCell(
        row=row,
        column=column,
        rowspan=last_row - row + 1,
        colspan=last_column - column + 1,
        is_header=row in header_rows,
        box=union(boxes[place] for place in places),
    )
