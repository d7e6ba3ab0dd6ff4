"""GriTS of small grids, computed by hand, and what must hold for all."""

import random

import pytest

from training.evaluation.grits import Grid, Similarity, compare
from training.geometry import Box
from training.tables.structure import GridCell


def cell(row: int, column: int, rowspan: int = 1, colspan: int = 1) -> GridCell:
    """A cell of 100 x 20 pixels a place, without a gap to its neighbours."""
    box = Box(100 * column, 20 * row, 100 * (column + colspan), 20 * (row + rowspan))
    return GridCell(row, column, rowspan, colspan, False, box)


def plain(rows: int, columns: int) -> list[GridCell]:
    return [cell(row, column) for row in range(rows) for column in range(columns)]


def score(one: list[GridCell], other: list[GridCell]) -> tuple[float, float]:
    """GriTS-Top and GriTS-Loc as the paper has them: 2 x similarity / (places of both)."""
    a, b = Grid.of(one), Grid.of(other)
    similarity = compare(a, b)
    return 2 * similarity.top / (a.places + b.places), 2 * similarity.loc / (a.places + b.places)


JOINED_ROW = [cell(0, 0, colspan=2), cell(1, 0), cell(1, 1)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (plain(3, 4), plain(3, 4), (1, 1)),
        (JOINED_ROW, JOINED_ROW, (1, 1)),
        # A row is missing: 2 x 8 / (12 + 8).
        (plain(3, 4), plain(2, 4), (0.8, 0.8)),
        # A column too many: 2 x 6 / (6 + 9).
        (plain(3, 2), plain(3, 3), (0.8, 0.8)),
        # The spans of the two joined places are (0, 0, 2, 1) and (-1, 0, 1, 1): an IoU of 1/2 with (0, 0, 1, 1), each.
        # So have their boxes. 2 x (1/2 + 1/2 + 1 + 1) / (4 + 4).
        (JOINED_ROW, plain(2, 2), (0.75, 0.75)),
        # The lower right cell is missing: by spans the place is like a cell, by boxes it is not.
        (plain(2, 2), plain(2, 2)[:-1], (1, 0.75)),
        # Missing in both.
        (plain(2, 2)[:-1], plain(2, 2)[:-1], (1, 1)),
        # Boxes moved by half a cell: an IoU of 1/3 each.
        (plain(1, 1), [cell(0, 0)._replace(box=Box(50, 0, 150, 20))], (1, 1 / 3)),
    ],
)
def test_grits_is_what_the_paper_computes(
    one: list[GridCell], other: list[GridCell], expected: tuple[float, float]
) -> None:
    assert score(one, other) == pytest.approx(expected)
    assert score(other, one) == pytest.approx(expected)


def test_the_row_that_is_missing_need_not_be_the_last() -> None:
    without_second = [found._replace(row=row) for row, found in ((0, cell(0, 0)), (1, cell(2, 0)), (2, cell(3, 0)))]
    assert score(plain(4, 1), without_second) == pytest.approx((6 / 7, 6 / 7))


def test_an_empty_grid_is_like_nothing() -> None:
    assert compare(Grid.of([]), Grid.of(plain(2, 2))) == compare(Grid.of(plain(2, 2)), Grid.of([])) == Similarity(0, 0)


def test_a_part_of_a_grid_is_found_in_it_whichever_rows_and_columns_are_missing() -> None:
    rng = random.Random(0)
    for _ in range(20):
        rows, columns = sorted(rng.sample(range(6), 4)), sorted(rng.sample(range(5), 3))
        part = [
            cell(row, column)._replace(row=rows.index(row), column=columns.index(column))
            for row in rows
            for column in columns
        ]
        assert compare(Grid.of(plain(6, 5)), Grid.of(part)) == pytest.approx((12, 12))
