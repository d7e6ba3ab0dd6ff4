"""Tables from labelled boxes: rows and columns are found, and a header comes out as it was drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotations.importers.formats.box_tables import imported_page, tables
from training.annotations.importers.formats.labels import LabelNames
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.badgerdoc.document import Block, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE
from training.labels.labelling import header_boxes

SIZE = (600, 800)
COLUMN, ROW, PADDING = 100, 30, 8
Place = tuple[int, int, int, int]  # row, column, rowspan, colspan


def text(row: int, column: int, rowspan: int = 1, colspan: int = 1) -> Box:
    """The text of a cell, in the middle of its place in a table at (50, 50)."""
    left, top = 50 + COLUMN * column, 50 + ROW * row
    return Box(left + 20, top + PADDING, left + COLUMN * colspan - 20, top + ROW * rowspan - PADDING)


def place(row: int, column: int, last_row: int, last_column: int) -> Box:
    return Box(50 + COLUMN * column, 50 + ROW * row, 50 + COLUMN * (last_column + 1), 50 + ROW * (last_row + 1))


def block(*cells: Box, headers: tuple[Box, ...] = (), rows: int = 4, columns: int = 3) -> Block:
    labels = [(TABLE, place(0, 0, rows - 1, columns - 1)), *((CELL, cell) for cell in cells)]
    [found] = tables([*labels, *((HEADER, header) for header in headers)], SIZE)
    return found


def all_texts(*left_out: tuple[int, int], rows: int = 4, columns: int = 3) -> list[Box]:
    return [text(row, column) for row in range(rows) for column in range(columns) if (row, column) not in left_out]


def places(cells: object) -> list[Place]:
    return [(cell.row, cell.column, cell.rowspan, cell.colspan) for cell in cells]  # type: ignore[attr-defined]


def written_headers(found: Block) -> list[Box]:
    """The headers' labels that preprocess makes of the table."""
    return header_boxes(found, [(cell, cell.bbox.box) for cell in found.header])


def test_rows_and_columns_are_found() -> None:
    found = block(*all_texts())
    assert places(found.cells) == [(row, column, 1, 1) for row in range(4) for column in range(3)]
    assert found.header == ()
    assert found.cells[4].bbox.box == text(1, 1)


@pytest.mark.parametrize(
    ("cells", "headers"),
    [
        (all_texts(), [place(0, 0, 0, 2)]),
        (all_texts(), [place(0, 0, 3, 0)]),
        (all_texts(), [place(0, 0, 0, 2), place(1, 0, 3, 0)]),
        (all_texts((0, 0)), [place(0, 0, 0, 2)]),
        (all_texts((0, 2)), [place(0, 0, 0, 2)]),
        (all_texts((0, 0), (0, 1)), [place(0, 0, 0, 2)]),
        (all_texts((2, 0)), [place(1, 0, 3, 0)]),
        # Two rows of headings: the first column's spans both, the other columns have one in common.
        (
            [text(0, 0, rowspan=2), text(0, 1, colspan=2), *all_texts((0, 0), (0, 1), (0, 2), (1, 0))],
            [place(0, 0, 1, 2)],
        ),
        # The last column's heading spans both rows, so the lower row does not reach the end.
        ([text(0, 2, rowspan=2), *all_texts((0, 2), (1, 2))], [place(0, 0, 1, 2)]),
        # A line across the table between the rows of a header column.
        ([text(2, 0, colspan=3), *all_texts((2, 0), (2, 1), (2, 2))], [place(0, 0, 3, 0)]),
    ],
)
def test_headers_come_out_as_they_were_drawn_and_every_cell_stays(cells: list[Box], headers: list[Box]) -> None:
    found = block(*cells, headers=tuple(headers))
    assert written_headers(found) == headers
    of_text = {cell.bbox.box for cell in found.cells}
    for cell in cells:
        holding = [one.bbox.box for one in found.header if one.bbox.box.intersection(cell) == cell]
        assert len(holding) + (cell in of_text) == 1


def test_a_heading_over_two_columns_spans_both() -> None:
    cells = [text(0, 1, colspan=2), *all_texts((0, 1), (0, 2))]
    assert (0, 1, 1, 2) in places(block(*cells, headers=(place(0, 0, 1, 2),)).header)


@given(
    st.integers(2, 5),
    st.integers(2, 5),
    st.integers(0, 2),
    st.booleans(),
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4),
)
def test_any_header_of_rows_and_columns_comes_out_as_it_was_drawn(
    rows: int, columns: int, header_rows: int, has_column: bool, left_out: set[tuple[int, int]]
) -> None:
    # Without its text in one of the places, a row or a column could not be seen.
    left_out = {(row, column) for row, column in left_out if 0 < row < rows - 1 and 0 < column < columns - 1}
    cells = all_texts(*left_out, rows=rows, columns=columns)
    headers = [place(0, 0, header_rows - 1, columns - 1)] if 0 < header_rows < rows else []
    if has_column:
        headers.append(place(header_rows if headers else 0, 0, rows - 1, 0))
    found = block(*cells, headers=tuple(headers), rows=rows, columns=columns)
    assert sorted(written_headers(found)) == sorted(headers)


def test_each_part_belongs_to_the_table_that_holds_it_and_tables_come_from_the_top_down() -> None:
    low, high, inner = Box(0, 400, 500, 600), Box(0, 0, 500, 300), Box(100, 420, 300, 500)
    cells = [(CELL, Box(110, 430, 150, 440)), (CELL, Box(10, 10, 50, 20))]
    found = tables([(TABLE, low), (TABLE, inner), (TABLE, high), *cells], SIZE)
    assert [len(table.cells) for table in found] == [1, 0, 1]
    assert [table.bbox for table in found] == [PixelBox.of(box) for box in (high, low, inner)]


def test_a_label_that_repeats_counts_once() -> None:
    assert len(block(text(0, 0), text(0, 0)).cells) == 1


def test_what_reaches_a_little_over_the_edge_is_cut_there() -> None:
    [found] = tables([(TABLE, Box(-1.5, 0, 601, 100))], SIZE)
    assert found.bbox is not None
    assert found.bbox.box == Box(0, 0, 600, 100)


@pytest.mark.parametrize(
    ("labels", "reason", "says"),
    [
        ([(CELL, text(0, 0))], Reason.SCHEMA, r"The Cell at \(70, 58\) lies in no table"),
        ([(TABLE, place(0, 0, 1, 1)), (HEADER, Box(0, 700, 90, 720))], Reason.SCHEMA, "The header at .* in no table"),
        ([(TABLE, place(0, 0, 1, 1)), (HEADER, place(0, 0, 0, 1))], Reason.SCHEMA, "The header at .* has no cells"),
        ([(TABLE, Box(0, 0, 700, 100))], Reason.COORDINATES, "outside its image of 600 x 800 pixels"),
        ([(TABLE, Box(5, 5, 5, 100))], Reason.COORDINATES, "has no area"),
        (
            [
                (TABLE, place(0, 0, 3, 2)),
                *((CELL, cell) for cell in all_texts()),
                (HEADER, place(0, 0, 0, 2)),
                (HEADER, place(2, 0, 2, 2)),
            ],
            Reason.SCHEMA,
            "has 2 headers, but a table can have one above its rows",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(labels: list[tuple[int, Box]], reason: Reason, says: str) -> None:
    with pytest.raises(DocumentError, match=says) as raised:
        tables(labels, SIZE)
    assert raised.value.quarantine_reason is reason


def test_labels_that_are_there_as_two_shapes_are_refused() -> None:
    box = Box(10, 10, 50, 30)
    shapes = (ToolBox("table", box), ToolBox("table", box.shifted(1, 0), is_polygon=True))
    page = imported_page(ToolPage("a_0.jpg", SIZE, shapes), LabelNames())
    with pytest.raises(DocumentError, match="1 labels are there twice"):
        page.blocks(SIZE)


def test_labels_that_mean_nothing_are_left_out() -> None:
    names = LabelNames.parse(["figure=none"])
    page = imported_page(ToolPage("a_0.jpg", SIZE, (ToolBox("Figure", Box(0, 0, 9, 9)),)), names)
    assert page.blocks(SIZE) == ()
