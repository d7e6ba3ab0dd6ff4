"""Both formats of annotations, told apart by their content."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotations import MAX_JSON_BYTES, read_annotations
from training.badgerdoc import Cell, PixelBox
from training.quarantine import DocumentError, Reason

PAGE = {"page_num": 1, "size": {"width": 600, "height": 800}}


def platform(*objects: dict[str, Any], **page: Any) -> bytes:
    return json.dumps({"revision": "1", "pages": [{**PAGE, "objs": list(objects), **page}]}).encode()


def cell(number: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "table_cell", "category": "cell", "bbox": box, **more}


def grid(*, data: bool, headers: bool = False) -> list[dict[str, Any]]:
    """Three rows of two columns; the first row's cell spans both columns."""
    places = [(0, 0, 2), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1)]
    return [
        cell(
            10 + number,
            [100 + 100 * column, 100 + 40 * row, 100 + 100 * (column + span), 140 + 40 * row],
            category="header" if headers and row == 0 else "cell",
            data={"row": row, "col": column, "rowspan": 1, "colspan": span} if data else {"dataAttributes": []},
        )
        for number, (row, column, span) in enumerate(places)
    ]


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize("children", [True, False])
@pytest.mark.parametrize("table", [{"category": "table", "type": "box"}, {"category": 7, "type": "Table"}])
def test_a_table_of_the_platform_has_its_cells_rows_and_columns(
    data: bool, children: bool, table: dict[str, Any]
) -> None:
    cells = grid(data=data, headers=True)
    numbers = [item["id"] for item in cells] if children else None
    whole = {"id": 1, "bbox": [100, 100, 300, 220], "children": numbers, **table}
    text = {"id": 2, "type": "text", "category": "paragraph", "bbox": [10, 10, 50, 20]}
    [page] = read_annotations(platform(whole, *cells, text))
    assert page.page_num == 0
    assert page.bbox == PixelBox(left=0, top=0, width=600, height=800)
    [block] = page.tables
    assert block.bbox == PixelBox(left=100, top=100, width=200, height=120)
    [header] = block.header
    assert (header.row, header.column, header.colspan) == (0, 0, 2)
    assert [(item.row, item.column, item.rowspan, item.colspan) for item in block.cells] == [
        (1, 0, 1, 1),
        (1, 1, 1, 1),
        (2, 0, 1, 1),
        (2, 1, 1, 1),
    ]


def test_cells_belong_to_the_table_that_they_lie_in() -> None:
    first = {"id": 1, "category": "table", "bbox": [0, 0, 100, 100]}
    second = {"id": 2, "category": "table", "bbox": [0, 200, 100, 300]}
    [page] = read_annotations(platform(first, second, cell(3, [10, 10, 50, 30]), cell(4, [10, 210, 50, 230])))
    assert [[item.bbox.top for item in table.cells] for table in page.tables] == [[10], [210]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (platform({"id": 1, "category": "table", "bbox": [1, 2, 3]}), "pages.0.objs.0.bbox"),
        (platform(page_num=0), "pages.0.page_num"),
        (platform(size={"width": 0, "height": 10}), "pages.0.size.width"),
        (platform({"id": 1, "category": "table", "bbox": [50, 0, 10, 10]}), "pages.0.objs.0: bbox"),
        (platform({"id": 1, "category": "table", "children": [5]}, {"id": 5, "bbox": None}), "cell 5 has no bbox"),
        (
            platform({"id": 1, "category": "table", "bbox": [0, 0, 9, 9], "children": [5]}, cell(5, [5, 5, 1, 1])),
            "cell 5: bbox",
        ),
        (b'{"pages": [{"objs": []}]}', "pages.0.page_num: Field required"),
        (b'{"pages": [' + b'{"objs": [' * 500, "JSON"),
    ],
)
def test_what_is_wrong_in_the_platforms_format_is_named_by_its_path(data: bytes, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_annotations(data, "platform")
    assert caught.value.cause is Reason.SCHEMA
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "stated", "fits"),
    [
        (platform(), "auto", True),
        (platform(), "platform", True),
        (b'{"pages": [{"page_num": 0, "bbox": null, "blocks": []}]}', "auto", True),
        (b'\xef\xbb\xbf{"pages": [{"page_num": 0}]}', "auto", True),
        (b'{"doc_name": "\\"objs\\"", "pages": [{"page_num": 0, "blocks": []}]}', "auto", True),
        (b'{"pages": [{"page_num": 0, "blocks": []}]}', "platform", False),
    ],
)
def test_the_format_is_told_by_the_content_unless_it_is_stated(data: bytes, stated: str, fits: bool) -> None:
    if fits:
        assert [page.page_num for page in read_annotations(data, stated)] == [0]
    else:
        with pytest.raises(DocumentError, match="not in the platform format"):
            read_annotations(data, stated)


def test_a_huge_json_is_not_read() -> None:
    with pytest.raises(DocumentError) as caught:
        read_annotations(b" " * (MAX_JSON_BYTES + 1))
    assert caught.value.cause is Reason.TOO_LARGE


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.from_regex(rb'\{"pages": \[.{0,40}', fullmatch=True)
)
def test_whatever_is_in_a_file_it_is_read_or_refused(data: bytes) -> None:
    for stated in ("auto", "badgerdoc", "platform"):
        try:
            read_annotations(data, stated)
        except DocumentError as error:
            assert error.cause is Reason.SCHEMA  # noqa: PT017 - the other way out is fine


@given(st.integers(1, 6), st.integers(1, 6), st.floats(-3, 3), st.floats(0.2, 5))
def test_rows_and_columns_come_from_the_places_of_cells_that_nearly_line_up(
    rows: int, columns: int, jitter: float, scale: float
) -> None:
    cells = [
        cell(
            100 * row + column,
            [
                (90 * column + jitter * (row % 2)) * scale,
                30 * row * scale,
                90 * (column + 1) * scale,
                30 * (row + 1) * scale,
            ],
        )
        for row in range(rows)
        for column in range(columns)
    ]
    table = {"id": 9999, "category": "table", "bbox": [0, 0, 90 * columns * scale, 30 * rows * scale]}
    shifted = [{**item, "bbox": [value + 50 for value in item["bbox"]]} for item in [table, *cells]]
    [block] = read_annotations(platform(*shifted))[0].tables
    found: list[Cell] = sorted(block.cells, key=lambda item: (item.row, item.column))
    assert [(item.row, item.column) for item in found] == [(r, c) for r in range(rows) for c in range(columns)]
    assert {(item.rowspan, item.colspan) for item in found} == {(1, 1)}
