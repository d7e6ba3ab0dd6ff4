"""The tables as HTML: grids with spans, gaps and escaped text."""

from collections.abc import Sequence

import pytest

from training.geometry import Box
from training.infer.tables import PredictedCell, PredictedTable
from training.serve.result_page import grid
from training.tables.structure import GridCell


def cell(row: int, column: int, text: str, *, rows: int = 1, columns: int = 1, header: bool = False) -> PredictedCell:
    return PredictedCell(GridCell(row, column, rows, columns, header, Box(column, row, column + 1, row + 1)), text)


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        ([cell(0, 0, "a", header=True), cell(1, 0, "1")], "<tr><th>a</th></tr><tr><td>1</td></tr>"),
        # An empty cell is not detected: its place is kept.
        ([cell(0, 0, "a"), cell(0, 2, "c")], "<tr><td>a</td><td></td><td>c</td></tr>"),
        ([cell(0, 1, "b")], "<tr><td></td><td>b</td></tr>"),
        ([cell(0, 0, "a"), cell(2, 0, "c")], "<tr><td>a</td></tr><tr></tr><tr><td>c</td></tr>"),
        # What another cell spans is no gap.
        (
            [cell(0, 0, "a", rows=2), cell(0, 1, "b", columns=2), cell(1, 2, "d")],
            '<tr><td rowspan="2">a</td><td colspan="2">b</td></tr><tr><td></td><td>d</td></tr>',
        ),
        ([cell(0, 0, "<script>&")], "<tr><td>&lt;script&gt;&amp;</td></tr>"),
        ([], ""),
    ],
)
def test_a_grid_keeps_each_cell_in_its_column(cells: Sequence[PredictedCell], rows: str) -> None:
    table = PredictedTable(Box(0, 0, 9, 9), (), tuple(cells))
    assert f"<tbody>{rows}</tbody>" in grid(1, table)
