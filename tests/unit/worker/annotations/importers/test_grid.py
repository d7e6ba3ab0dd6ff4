"""Cells from rows, columns, spanning cells and a column header."""

from hypothesis import given
from hypothesis import strategies as st

from training.annotations.importers.formats.grid import TableGrid, grid_cells
from training.geometry import Box

ROWS = [Box(0, 20 * n, 300, 20 * n + 20) for n in range(4)]
COLUMNS = [Box(100 * n, 0, 100 * n + 100, 80) for n in range(3)]
Cell = tuple[int, int, int, int, bool]


def found(table: TableGrid) -> list[Cell]:
    return [(cell.row, cell.column, cell.rowspan, cell.colspan, cell.is_header) for cell in grid_cells(table)]


def plain(*rows: int, header: bool = False) -> list[Cell]:
    return [(row, column, 1, 1, header) for row in rows for column in range(3)]


def test_each_row_and_column_have_a_cell_whatever_their_order() -> None:
    assert found(TableGrid(ROWS[::-1], COLUMNS[::-1])) == plain(0, 1, 2, 3)
    assert grid_cells(TableGrid(ROWS, COLUMNS))[5].box == Box(200, 20, 300, 40)


def test_the_cells_of_the_rows_in_the_column_header_are_the_headers() -> None:
    header = [Box(0, 0, 300, 38)]
    assert found(TableGrid(ROWS, COLUMNS, header=header)) == plain(0, 1, header=True) + plain(2, 3)


def test_a_spanning_cell_takes_the_places_that_it_covers() -> None:
    two_columns, two_rows, whole_row = Box(101, 1, 299, 19), Box(2, 1, 98, 39), Box(0, 60, 300, 80)
    table = TableGrid(ROWS, COLUMNS, [two_columns, two_rows, whole_row], [Box(0, 0, 300, 40)])
    assert found(table) == [
        (0, 0, 2, 1, True),
        (0, 1, 1, 2, True),
        (1, 1, 1, 1, True),
        (1, 2, 1, 1, True),
        *plain(2),
        (3, 0, 1, 3, False),
    ]
    assert grid_cells(table)[0].box == Box(0, 0, 100, 40)


def test_of_spanning_cells_that_overlap_the_larger_one_counts() -> None:
    assert found(TableGrid(ROWS[:1], COLUMNS, [Box(0, 0, 200, 20), Box(0, 0, 300, 20)])) == [(0, 0, 1, 3, False)]


def test_a_spanning_cell_over_one_place_changes_nothing() -> None:
    assert found(TableGrid(ROWS[:1], COLUMNS, [Box(0, 0, 110, 20)])) == plain(0)


def test_a_table_without_rows_or_columns_has_no_cells() -> None:
    assert found(TableGrid([], COLUMNS)) == found(TableGrid(ROWS, [])) == []


boxes = st.tuples(st.integers(0, 280), st.integers(0, 70), st.integers(1, 300), st.integers(1, 80))


@given(st.lists(boxes.map(lambda box: Box(box[0], box[1], box[0] + box[2], box[1] + box[3])), max_size=5))
def test_every_place_is_in_exactly_one_cell(spanning: list[Box]) -> None:
    places = [
        (row, column)
        for cell in grid_cells(TableGrid(ROWS, COLUMNS, spanning))
        for row in range(cell.row, cell.row + cell.rowspan)
        for column in range(cell.column, cell.column + cell.colspan)
    ]
    assert sorted(places) == [(row, column) for row in range(4) for column in range(3)]
