"""Tables are found again from the boxes of their cells: grids with spans, jittered boxes, texts in their cells."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.geometry import Box, union
from training.tables.structure import GridCell, distinct, find_structure, share

JITTER_PX = 2.0  # a tenth of the smallest cell
Place = tuple[int, int, int, int]  # row, column, rowspan, colspan


@dataclass(frozen=True)
class Grid:
    """A table: where its lines are, in pixels, and its cells, which cover it without a gap."""

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    places: tuple[Place, ...]

    def box(self, place: Place) -> Box:
        row, column, rowspan, colspan = place
        return Box(self.columns[column], self.rows[row], self.columns[column + colspan], self.rows[row + rowspan])

    @property
    def boxes(self) -> dict[Place, Box]:
        return {place: self.box(place) for place in self.places}


@st.composite
def grids(draw: st.DrawFn, *, spans: bool = True) -> Grid:
    """With `spans` cells are joined at random, but for one row and one column that nothing is joined in.

    Without a row whose cells are all its own nothing tells where its columns are.
    """
    heights = draw(st.lists(st.integers(20, 60), min_size=2, max_size=7))
    widths = draw(st.lists(st.integers(30, 200), min_size=2, max_size=6))
    rows, columns = len(heights), len(widths)
    plain_row, plain_column = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
    taken: set[tuple[int, int]] = set()
    places = []
    for row in range(rows):
        for column in range(columns):
            if (row, column) in taken:
                continue
            rowspan, colspan = (draw(st.integers(1, 3)), draw(st.integers(1, 3))) if spans else (1, 1)
            wanted = [(r, c) for r in range(row, row + rowspan) for c in range(column, column + colspan)]
            if any(r >= rows or c >= columns or (r, c) in taken for r, c in wanted) or (
                len(wanted) > 1 and any(r == plain_row or c == plain_column for r, c in wanted)
            ):
                rowspan, colspan, wanted = 1, 1, [(row, column)]
            taken.update(wanted)
            places.append((row, column, rowspan, colspan))
    left, top = draw(st.integers(0, 300)), draw(st.integers(0, 300))
    return Grid(_edges(top, heights), _edges(left, widths), tuple(places))


def _edges(start: int, lengths: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(start + sum(lengths[:count])) for count in range(len(lengths) + 1))


def places(cells: Sequence[GridCell]) -> dict[Box, Place]:
    return {cell.box: (cell.row, cell.column, cell.rowspan, cell.colspan) for cell in cells}


def assert_found(boxes: dict[Place, Box]) -> None:
    found = places(find_structure(list(boxes.values())))
    assert {place: found[box] for place, box in boxes.items()} == {place: place for place in boxes}


@given(grids())
def test_a_grid_with_spans_is_found_again(grid: Grid) -> None:
    assert_found(grid.boxes)


@given(grids(), st.randoms(use_true_random=False))
def test_a_grid_whose_boxes_are_a_little_off_is_found_again(grid: Grid, rng: random.Random) -> None:
    assert_found(
        {place: Box(*(edge + rng.uniform(-JITTER_PX, JITTER_PX) for edge in grid.box(place))) for place in grid.places}
    )


@given(grids(spans=False), st.data())
def test_texts_that_stand_left_or_right_in_their_cells_are_found_in_their_columns(
    grid: Grid, data: st.DataObject
) -> None:
    boxes = {}
    for place, cell in grid.boxes.items():
        width = data.draw(st.floats(8, cell.width - 6))
        left = data.draw(st.sampled_from([cell.left + 3, cell.right - 3 - width]))
        middle = (cell.top + cell.bottom) / 2
        boxes[place] = Box(left, middle - 7, left + width, middle + 7)
    assert_found(boxes)


@given(grids(), st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_changes_nothing(grid: Grid, rng: random.Random) -> None:
    boxes = list(grid.boxes.values())
    shuffled = rng.sample(boxes, len(boxes))
    assert find_structure(shuffled) == find_structure(boxes)


BOXES = st.builds(
    lambda left, top, width, height: Box(left, top, left + width, top + height),
    *[st.integers(0, 300)] * 2,
    *[st.integers(1, 200)] * 2,
)


@given(st.lists(BOXES, max_size=25, unique=True), st.lists(BOXES, max_size=3))
def test_any_boxes_get_places_that_no_other_has(boxes: list[Box], headers: list[Box]) -> None:
    found = find_structure(boxes, headers)
    assert sorted(cell.box for cell in found) == sorted(boxes)
    covered = [
        (row, column)
        for cell in found
        for row in range(cell.row, cell.row + cell.rowspan)
        for column in range(cell.column, cell.column + cell.colspan)
    ]
    assert len(set(covered)) == len(covered) >= len(found)
    assert all(min(place) >= 0 for place in covered)


def test_header_cells_are_those_that_lie_in_a_header_box() -> None:
    boxes = {
        (row, column): Box(100 * column, 30 * row, 100 * column + 90, 30 * row + 25)
        for row in range(3)
        for column in range(3)
    }
    header_row = union(box for (row, _), box in boxes.items() if row == 0)
    header_column = union(box for (row, column), box in boxes.items() if column == 0 and row > 0)
    found = find_structure(list(boxes.values()), [header_row, header_column])
    assert {(cell.row, cell.column) for cell in found if cell.is_header} == {(0, 0), (0, 1), (0, 2), (1, 0), (2, 0)}


def heading(text_left: float, text_right: float) -> list[Box]:
    """A table of four columns, the texts of whose second header row stand above each column."""
    cells = [
        Box(100 * column + 10, 30 * row, 100 * column + 80, 30 * row + 14) for row in range(1, 5) for column in range(4)
    ]
    return [Box(text_left, 0, text_right, 14), *cells]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ((235, 255), (2, 1)),  # above the third column alone
        ((180, 210), (1, 2)),  # in the middle of two, and narrower than the gap between them
        ((225, 265), (1, 3)),  # in the middle of the three after the first
    ],
    ids=["one", "two", "three"],
)
def test_a_heading_above_others_spans_the_columns_in_whose_middle_it_stands(
    text: tuple[float, float], columns: tuple[int, int]
) -> None:
    boxes = heading(*text)
    if columns == (1, 3):
        boxes.append(Box(10, 0, 60, 14))
    header = Box(0, 0, 400, 50)
    found = places(find_structure(boxes, [header]))[boxes[0]]
    if columns == (1, 3):
        # As good as above the middle one alone.
        assert found in ((0, 1, 1, 3), (0, 2, 1, 1))
    else:
        assert found == (0, columns[0], 1, columns[1])


def test_a_heading_beside_two_header_rows_spans_both() -> None:
    second_row = [Box(100 * column + 10, 30, 100 * column + 80, 44) for column in range(1, 4)]
    body = [Box(100 * column + 10, 60, 100 * column + 80, 74) for column in range(4)]
    boxes = [Box(10, 15, 60, 29), Box(130, 0, 370, 14), *second_row, *body]
    found = places(find_structure(boxes, [Box(0, 0, 400, 50)]))
    assert found[boxes[0]] == (0, 0, 2, 1)
    assert found[boxes[1]] == (0, 1, 1, 3)


def test_a_table_without_cells_has_no_structure() -> None:
    assert find_structure([]) == []


def test_of_boxes_that_share_most_of_themselves_the_surest_is_kept() -> None:
    surest, again, within, beside = Box(0, 0, 100, 50), Box(5, 5, 105, 55), Box(10, 10, 20, 20), Box(90, 0, 190, 50)
    assert distinct([surest, again, within, beside]) == [surest, beside]
    assert distinct([within, again, surest, beside]) == [within, beside]


@given(st.lists(st.tuples(*[st.integers(0, 200)] * 2, *[st.integers(1, 90)] * 2), max_size=30))
def test_what_is_kept_shares_little_with_each_other_and_much_with_what_is_left_out(
    numbers: list[tuple[int, int, int, int]],
) -> None:
    boxes = [Box(left, top, left + width, top + height) for left, top, width, height in numbers]
    kept = distinct(boxes)

    def same(one: Box, other: Box) -> bool:
        return max(share(one, other), share(other, one)) > 0.5

    assert not [pair for index, pair in enumerate(kept) for other in kept[:index] if same(pair, other)]
    assert all(any(same(box, other) for other in kept) for box in boxes)
