"""The later platform's format, as its web client writes it: pages of objects, some of which are tables and cells."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.annotation_pages import read_annotations
from training.badgerdoc.document import Block, Page, PixelBox
from training.documents.quarantine import DocumentError, Reason

TABLE = {"id": 1, "type": "table", "category": "7", "bbox": [100, 100, 300, 220]}
TEXT = {"id": 2, "type": "text", "category": "paragraph", "bbox": [110, 110, 150, 120], "text": "x"}


def read(*objects: dict[str, Any], **page: Any) -> Page:
    content = {"page_num": 1, "size": {"width": 600, "height": 800}, "objs": list(objects), **page}
    [found] = read_annotations(json.dumps({"revision": "1", "pages": [content]}).encode(), "platform")
    return found


def cell(number: int | None, box: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "table_cell", "category": "te-cell", "bbox": box, **more}


def grid(*, data: bool) -> list[dict[str, Any]]:
    """Three rows of two columns; the first row is one header cell that spans both columns."""
    places = [(0, 0, 2), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1)]
    return [
        cell(
            10 + number,
            [100 + 100 * column, 100 + 40 * row, 100 + 100 * (column + span), 140 + 40 * row],
            category="header" if row == 0 else "te-cell",
            data={"row": row, "col": column, "rowspan": 1, "colspan": span} if data else {"dataAttributes": []},
        )
        for number, (row, column, span) in enumerate(places)
    ]


def places(block: Block) -> list[tuple[int, int, int, int]]:
    """Row, column, rowspan and colspan of each cell of the body."""
    return [(item.row, item.column, item.rowspan, item.colspan) for item in block.cells]


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize("children", [True, False])
@pytest.mark.parametrize("table", [{"category": "table", "type": "box"}, {"category": 7, "type": "Table"}])
def test_a_table_has_its_cells_rows_and_columns(data: bool, children: bool, table: dict[str, Any]) -> None:
    cells = grid(data=data)
    page = read({**TABLE, "children": [item["id"] for item in cells] if children else None, **table}, *cells, TEXT)
    assert page.page_num == 0
    assert page.bbox == PixelBox(left=0, top=0, width=600, height=800)
    [block] = page.tables
    assert block.bbox == PixelBox(left=100, top=100, width=200, height=120)
    [header] = block.header
    assert (header.row, header.column, header.colspan) == (0, 0, 2)
    assert places(block) == [(1, 0, 1, 1), (1, 1, 1, 1), (2, 0, 1, 1), (2, 1, 1, 1)]


def test_cells_that_no_table_names_belong_to_the_one_that_they_lie_in() -> None:
    first = {"id": 1, "category": "table", "bbox": [0, 0, 100, 100]}
    second = {"id": 2, "category": "table", "bbox": [0, 200, 100, 300]}
    page = read(
        first, second, cell(3, [10, 10, 50, 30]), cell(4, [10, 210, 50, 230]), cell(5, [200, 10, 250, 30], row=0)
    )
    assert [[item.bbox.top for item in table.cells] for table in page.tables] == [[10], [210]]


@pytest.mark.parametrize(
    ("objects", "count"),
    [
        # The client lists whatever lies in a table among its children.
        ([{**TABLE, "children": [10, 2]}, cell(10, [100, 100, 200, 140]), TEXT], 1),
        ([{**TABLE, "children": [2]}, cell(10, [100, 100, 200, 140]), TEXT], 1),
        ([{**TABLE, "children": [2]}, TEXT], 0),
        # It turns ids that are no numbers into null, and takes ids from the clock, where two can be one.
        ([{**TABLE, "id": None, "children": [None]}, cell(None, [100, 100, 200, 140])], 1),
        ([{**TABLE, "children": [10, 10]}, cell(10, [100, 100, 200, 140]), cell(10, [200, 100, 300, 140])], 2),
        ([{**TABLE, "children": ["a"]}, {**cell(10, [100, 100, 200, 140]), "id": "a"}], 1),
        # A child that is gone.
        ([{**TABLE, "children": [10, 99]}, cell(10, [100, 100, 200, 140])], 1),
        # Tables in a table are their own.
        ([{**TABLE, "children": [3, 10]}, {**TABLE, "id": 3}, cell(10, [100, 100, 200, 140])], 1),
    ],
)
def test_a_tables_cells_are_those_of_its_children_that_are_cells(objects: list[dict[str, Any]], count: int) -> None:
    assert len(read(*objects).tables[0].all_cells) == count


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"row": 3, "col": 4}, (3, 4, 1, 1)),
        ({"row": 3, "column": 4}, (3, 4, 1, 1)),
        ({"row": 3, "col": 4, "rowspan": 2, "colspan": 5}, (3, 4, 2, 5)),
        # What the client writes for a cell that was merged and split again.
        ({"row": 3, "col": 4, "rowspan": 0, "colspan": 0, "tokens": None, "dataAttributes": []}, (3, 4, 1, 1)),
        ({"row": 3, "col": 4, "rowspan": None, "colspan": None}, (3, 4, 1, 1)),
        # Without both of them its place is where it lies.
        ({"row": 3}, (0, 0, 1, 1)),
        ({"row": None, "col": None}, (0, 0, 1, 1)),
        ({}, (0, 0, 1, 1)),
        (None, (0, 0, 1, 1)),
        ("a note", (0, 0, 1, 1)),
    ],
)
def test_a_cells_place_is_what_its_data_says(data: Any, expected: tuple[int, int, int, int]) -> None:
    [block] = read({**TABLE, "children": [10]}, cell(10, [100, 100, 200, 140], data=data)).tables
    assert places(block) == [expected]


def test_where_one_cell_does_not_say_its_place_all_have_theirs_by_where_they_lie() -> None:
    cells = [
        cell(10, [100, 100, 200, 140], data={"row": 7, "col": 7}),
        cell(11, [200, 100, 300, 140], data={"dataAttributes": []}),
    ]
    [block] = read({**TABLE, "children": [10, 11]}, *cells).tables
    assert places(block) == [(0, 0, 1, 1), (0, 1, 1, 1)]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        # Drawn tight around numbers that end at the same place, below a header that is wider.
        (
            [(0, 0, 100, 20), (100, 0, 200, 20), (60, 20, 98, 40), (190, 20, 198, 40), (80, 40, 98, 60)],
            [(0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 1, 1), (2, 0, 1, 1)],
        ),
        # Cells that overlap by the width of a rule.
        ([(0, 0, 51, 21), (50, 0, 100, 21), (0, 20, 51, 40)], [(0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 1)]),
        # Spans in both directions.
        (
            [(0, 0, 50, 40), (50, 0, 150, 20), (50, 20, 100, 40), (100, 20, 150, 40)],
            [(0, 0, 2, 1), (0, 1, 1, 2), (1, 1, 1, 1), (1, 2, 1, 1)],
        ),
        # A cell without a height in a row of others.
        ([(0, 0, 50, 20), (50, 10, 100, 10)], [(0, 0, 1, 1), (0, 1, 1, 1)]),
    ],
)
def test_rows_and_columns_come_from_where_cells_overlap(
    boxes: list[tuple[float, ...]], expected: list[tuple[int, int, int, int]]
) -> None:
    cells = [cell(10 + number, [100 + value for value in box]) for number, box in enumerate(boxes)]
    [block] = read({**TABLE, "children": [item["id"] for item in cells]}, *cells).tables
    assert places(block) == expected


@given(st.integers(1, 6), st.integers(1, 6), st.floats(-3, 3), st.floats(0.2, 5), st.randoms(use_true_random=False))
def test_rows_and_columns_of_cells_that_nearly_line_up_are_the_same_at_any_scale_and_in_any_order(
    rows: int, columns: int, jitter: float, scale: float, random: Any
) -> None:
    cells = [
        cell(
            100 * row + column,
            [
                (90 * column + jitter * (row % 2) + 50) * scale,
                (30 * row + 50) * scale,
                (90 * (column + 1) + 50) * scale,
                (30 * (row + 1) + 50) * scale,
            ],
        )
        for row in range(rows)
        for column in range(columns)
    ]
    random.shuffle(cells)
    [block] = read({"id": 9999, "category": "table", "children": [item["id"] for item in cells]}, *cells).tables
    expected = [(item["id"] // 100, item["id"] % 100, 1, 1) for item in cells]
    assert places(block) == expected


def test_a_size_that_the_platform_does_not_know_is_none() -> None:
    page = read(TABLE, size={"width": 0, "height": 0})
    assert page.bbox == PixelBox(left=0, top=0, width=0, height=0)
    assert read(TABLE, size=None).bbox is None


@pytest.mark.parametrize(
    "odd",
    [
        {"id": 9, "type": "polygon", "category": "figure", "bbox": [], "segments": [[1, 2]]},
        {"id": 9, "type": "text", "category": "x", "bbox": None, "children": None, "data": None},
        {"id": 9, "type": None, "category": None, "bbox": "?", "data": [1]},
        {"bbox": [5, 5, 1, 1], "links": 7},
    ],
)
def test_what_is_neither_table_nor_cell_may_be_anything(odd: dict[str, Any]) -> None:
    [block] = read({**TABLE, "children": [9, 10]}, cell(10, [100, 100, 200, 140]), odd).tables
    assert len(block.all_cells) == 1


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([{**TABLE, "bbox": [1, 2, 3]}], "pages.0.objs.0.bbox.3: Field required"),
        ([{**TABLE, "bbox": [1, 2, 3, "x"]}], "pages.0.objs.0.bbox.3: Input should be a valid number"),
        ([{**TABLE, "bbox": [1, 2, 3, float("nan")]}], "pages.0.objs.0.bbox.3: Input should be a finite number"),
        ([{**TABLE, "bbox": [50, 0, 10, 10]}], "pages.0.objs.0.bbox: [50.0, 0.0, 10.0, 10.0] should be left, top"),
        ([{**TABLE, "bbox": [-1e308, 0, 1e308, 10]}], "pages.0.objs.0.bbox: "),
        ([TEXT, {**TABLE, "children": [10]}, cell(10, None)], "pages.0.objs.2.bbox: Field required"),
        ([TABLE, cell(10, None)], "pages.0.objs.1.bbox: Field required"),
        ([{**TABLE, "children": [10]}, cell(10, [5, 5, 1, 1])], "pages.0.objs.1.bbox: "),
        (
            [{**TABLE, "children": [10]}, cell(10, [1, 1, 5, 5], data={"row": -1, "col": "a"})],
            "pages.0.objs.1.data.row: Input should be greater than or equal to 0; pages.0.objs.1.data.col: Input",
        ),
        ([{**TABLE, "children": [10]}, cell(10, [1, 1, 5, 5], data={"colspan": -1})], "pages.0.objs.1.data.colspan: "),
        ([{**TABLE, "children": 10}], "pages.0.objs.0.children: "),
        ([{**TABLE, "id": [1]}], "pages.0.objs.0.id"),
        ([None], "pages.0.objs.0: "),
    ],
)
def test_what_is_wrong_with_a_table_or_a_cell_is_named_by_its_path(objects: list[Any], words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(*objects)
    assert caught.value.quarantine_reason is Reason.SCHEMA
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({"page_num": 0}, "pages.0.page_num: "),
        ({"page_num": None}, "pages.0.page_num: "),
        ({"size": {"width": -1, "height": 10}}, "pages.0.size.width: "),
        ({"size": {"width": 10}}, "pages.0.size.height: Field required"),
        ({"objs": {}}, "pages.0.objs: "),
    ],
)
def test_what_is_wrong_with_a_page_is_named_by_its_path(page: dict[str, Any], words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(**page)
    assert caught.value.quarantine_reason is Reason.SCHEMA
    assert words in str(caught.value)


def test_a_page_of_many_tables_takes_no_longer_for_each() -> None:
    # Looking through all objects for each table took half a minute for these.
    tables = [{**TABLE, "id": number, "bbox": [0, number, 10, number + 1]} for number in range(5000)]
    cells = [cell(10000 + number, [0, number, 10, number + 1]) for number in range(5000)]
    found = read(*tables, *cells, size={"width": 10, "height": 5000})
    assert [len(table.cells) for table in found.tables] == [1] * 5000
