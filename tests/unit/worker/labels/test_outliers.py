"""Labels that look wrong: what is told, and what is not."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.documents.corpus import draw_document
from tests.support.preprocess.labelled import label_drawn
from tests.support.preprocess.words import words_at
from training.badgerdoc.document import Page
from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.outliers import MAX_FINDINGS, OVERLAP_PART, find_outliers

WIDTH, HEIGHT = 1000, 1400
A_TABLE = LabelledBox(TABLE, 100, 100, 600, 400)


def table_at(left: int, top: int, width: int = 600, height: int = 400) -> LabelledBox:
    return LabelledBox(TABLE, left, top, width, height)


def cell_at(left: int, top: int, width: int = 80, height: int = 20) -> LabelledBox:
    return LabelledBox(CELL, left, top, width, height)


def grid(rows: int, columns: int) -> list[LabelledBox]:
    """A table of such cells with a gap between them."""
    cells = [cell_at(20 * column, 10 * row, 18, 8) for row in range(rows) for column in range(columns)]
    return [table_at(0, 0, 20 * columns, 10 * rows), *cells]


def kinds(labels: list[LabelledBox], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    return [outlier.kind for outlier in find_outliers(labels, width, height)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], []),
        ([A_TABLE, cell_at(110, 110)], []),
        ([A_TABLE, cell_at(110, 110), LabelledBox(HEADER, 100, 100, 600, 40)], []),
        # Outside
        ([A_TABLE, cell_at(95, 110)], []),  # by a sixteenth: drawn by hand
        ([A_TABLE, cell_at(80, 110)], ["cell outside its table"]),  # by a quarter
        ([A_TABLE, cell_at(110, 600)], ["cell outside its table"]),
        ([A_TABLE, cell_at(20, 20)], ["cell outside its table"]),  # beside it in both directions
        ([A_TABLE, cell_at(110, 110), table_at(100, 800), cell_at(110, 120)], ["cell outside its table"]),
        # Overlap
        ([A_TABLE, cell_at(110, 110), cell_at(180, 110)], []),  # an eighth
        ([A_TABLE, cell_at(110, 110), cell_at(150, 110)], ["overlapping cells"]),
        ([A_TABLE, cell_at(110, 110, 300, 100), cell_at(150, 120)], ["overlapping cells"]),  # one in the other
        ([A_TABLE, cell_at(110, 110), cell_at(110, 130)], []),  # they touch
        ([A_TABLE, cell_at(110, 110), cell_at(111, 110)], ["duplicate box"]),
        ([A_TABLE, cell_at(110, 110), table_at(150, 450), cell_at(160, 520)], []),  # a corner of two tables
        ([A_TABLE, cell_at(110, 110), table_at(150, 150), cell_at(160, 520)], ["overlapping tables"]),
        ([A_TABLE, cell_at(110, 110), table_at(102, 101), cell_at(210, 110)], ["duplicate box"]),
        # Cells are compared with those of their own table.
        ([A_TABLE, cell_at(110, 480), table_at(105, 470), cell_at(112, 480)], []),
        # Without cells
        ([A_TABLE], ["table without cells"]),
        ([A_TABLE, LabelledBox(HEADER, 100, 100, 600, 40)], ["table without cells"]),
        ([A_TABLE, table_at(100, 800), cell_at(110, 810)], ["table without cells"]),
        # Giant
        ([table_at(0, 0, 1000, 1400), cell_at(10, 10)], ["giant box"]),
        ([table_at(20, 20, 960, 1360), cell_at(30, 30)], []),
        ([A_TABLE, cell_at(105, 105, 590, 390)], []),  # a table of one cell
        ([A_TABLE, cell_at(105, 105, 590, 360), cell_at(110, 470)], ["giant box"]),
        # Tiny
        ([table_at(100, 100, 30, 30), cell_at(102, 102)], ["tiny box", "cell outside its table"]),
        ([A_TABLE, cell_at(110, 110, 3, 3)], ["tiny box"]),
        ([A_TABLE, cell_at(110, 110, 8, 2)], []),  # the ink of a dash
        ([A_TABLE, cell_at(110, 110), LabelledBox(HEADER, 110, 110, 4, 1)], ["tiny box"]),
    ],
)
def test_what_is_odd(labels: list[LabelledBox], expected: list[str]) -> None:
    assert kinds(labels) == expected


def test_a_finding_says_where_it_is() -> None:
    labels = [A_TABLE, cell_at(110, 110), table_at(100, 800), cell_at(110, 110)]
    [outlier] = find_outliers(labels, WIDTH, HEIGHT)
    assert outlier.box == Box(110, 110, 190, 130)
    assert outlier.message == "The cell at (110, 110) lies outside table 2."


@given(
    st.lists(
        st.builds(cell_at, st.integers(0, 60), st.integers(0, 60), st.integers(4, 40), st.integers(4, 40)),
        unique=True,
        max_size=25,
    )
)
def test_every_cell_that_overlaps_one_above_or_before_it_is_told_once(cells: list[LabelledBox]) -> None:
    ordered = sorted(cells, key=lambda cell: (cell.top, cell.left))
    expected = [
        edges(cell) for index, cell in enumerate(ordered) if any(overlap(cell, other) for other in ordered[:index])
    ]
    found = find_outliers([table_at(0, 0, 1000, 1000), *cells], 1500, 1500)
    told = [outlier.box for outlier in found if outlier.kind in ("overlapping cells", "duplicate box")]
    assert sorted(told) == sorted(expected)


def edges(label: LabelledBox) -> Box:
    return Box(label.left, label.top, label.left + label.width, label.top + label.height)


def overlap(one: LabelledBox, other: LabelledBox) -> bool:
    shared = edges(one).intersection(edges(other)).area
    return shared > OVERLAP_PART * min(edges(one).area, edges(other).area)


def test_nothing_is_odd_in_the_drawn_corpus(tmp_path: Path) -> None:
    cells = 0
    for seed in range(40):
        content = draw_document(tmp_path / "drawn.pdf", random.Random(seed), pages=2, dpi=120)
        for page in map(Page.model_validate, content["pages"]):
            assert page.bbox is not None
            size = (round(page.bbox.width), round(page.bbox.height))
            filled = [cell.bbox for table in page.tables for cell in table.all_cells]
            words = words_at(
                Box(box.left + 4, box.top + 4, box.left + box.width - 4, box.top + box.height - 4) for box in filled
            )
            labels = label_drawn(page, *size, words, lambda _: None).boxes
            assert find_outliers(labels, *size) == ()
            cells += len(labels)
    assert cells > 2000


def test_findings_of_a_page_that_is_wrong_as_a_whole_are_bounded() -> None:
    labels = [A_TABLE, *(cell_at(150 + number % 50, 150 + number // 50, 90, 90) for number in range(2000))]
    assert len(find_outliers(labels, WIDTH, HEIGHT)) == MAX_FINDINGS


@pytest.mark.parametrize(
    "labels",
    [
        grid(100, 100),
        grid(1, 10_000),
        grid(10_000, 1),
        [*grid(1, 10_000), cell_at(0, 9, 200_000, 1)],
        [table_at(0, 0, 200_000, 20), cell_at(0, 0, 200_000, 1), *(cell_at(20 * i, 2, 18, 16) for i in range(10_000))],
        [table_at(20 * (i % 100), 10 * (i // 100), 18, 8) for i in range(10_000)],
    ],
    ids=["a square", "a row", "a column", "a line below", "a line above", "tables"],
)
def test_ten_thousand_cells_take_a_moment(labels: list[LabelledBox]) -> None:
    started = time.process_time()
    find_outliers(labels, 200_000, 200_000)
    assert time.process_time() - started < 3  # 0.2 s where nothing else runs; comparing each with each takes a minute
