"""PubTables-1M: the XML of an image, and the words on it."""

import json

import pytest

from training.annotations.importers.formats.pubtables import read
from training.badgerdoc.document import PixelBox
from training.documents.quarantine import DocumentError, Reason

SIZE = (400, 120)
TABLE = ("table", 20, 20, 380, 80)
GRID = [
    TABLE,
    *(("table row", 20, 20 + 20 * n, 380, 40 + 20 * n) for n in range(3)),
    *(("table column", 20 + 120 * n, 20, 140 + 120 * n, 80) for n in range(3)),
]
Object = tuple[str, float, float, float, float]


def xml(*objects: Object, size: tuple[int, int] | None = SIZE) -> bytes:
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    parts = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    )
    return f"<annotation><filename>PMC1_table_0.jpg</filename>{stated}{parts}</annotation>".encode()


def words(*items: tuple[str, float, float]) -> bytes:
    """Words of 20 x 10 pixels at these places, listed last to first."""
    listed = [
        {"text": text, "bbox": [x, y, x + 20, y + 10], "block_num": 0, "line_num": 0, "span_num": number}
        for number, (text, x, y) in enumerate(items)
    ]
    return json.dumps(listed[::-1]).encode()


def test_rows_columns_header_and_spanning_cells_become_a_table() -> None:
    header = ("table column header", 20, 20, 380, 40)
    spanning = ("table spanning cell", 140, 20, 380, 40)
    projected = ("table projected row header", 20, 40, 380, 60)
    [table] = read(xml(*GRID, header, spanning, projected), None, SIZE)
    assert table.bbox == PixelBox(left=20, top=20, width=360, height=60)
    places = [(cell.row, cell.column, cell.rowspan, cell.colspan) for cell in table.all_cells]
    assert places[: len(table.header)] == [(0, 0, 1, 1), (0, 1, 1, 2)]
    assert places[len(table.header) :] == [
        (1, 0, 1, 3),
        (2, 0, 1, 1),
        (2, 1, 1, 1),
        (2, 2, 1, 1),
    ]
    assert table.cells[-1].bbox == PixelBox(left=260, top=60, width=120, height=20)


def test_a_cell_has_the_words_that_lie_mostly_in_it_in_reading_order() -> None:
    [table] = read(xml(*GRID), words(("Mean", 24, 24), ("age", 46, 24), ("42", 132, 24), ("outside", 24, 100)), SIZE)
    assert [cell.text for cell in table.cells[:3]] == ["Mean age", "42", ""]


def test_a_page_of_the_detection_set_has_tables_without_cells_from_the_top_down() -> None:
    found = read(xml(("table rotated", 20, 60, 100, 110), ("table", 20, 10, 100, 50)), None, SIZE)
    assert [(table.bbox.top if table.bbox else None, table.all_cells) for table in found] == [(10, ()), (60, ())]


def test_an_image_without_objects_is_a_page_without_tables() -> None:
    assert read(xml(size=None), None, SIZE) == ()


@pytest.mark.parametrize(
    ("data", "found_words", "reason", "says"),
    [
        (b"", None, Reason.SCHEMA, "no element found"),
        (b"<annotations/>", None, Reason.SCHEMA, "its root is annotations"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', None, Reason.SCHEMA, "declares a document type"),
        (xml(("car", 0, 0, 9, 9)), None, Reason.SCHEMA, "objects called car"),
        (xml(("table row", 0, 0, 9, 9)), None, Reason.SCHEMA, "no table"),
        (xml(TABLE, ("table row", 0, 90, 400, 110)), None, Reason.SCHEMA, "a table row lies outside every table"),
        (xml(("table", 9, 9, 9, 20)), None, Reason.SCHEMA, "a table has an empty bndbox"),
        (xml(("table", float("nan"), 0, 9, 9)), None, Reason.SCHEMA, "the xmin of a table is 'nan'"),
        (xml(*GRID, size=(401, 120)), None, Reason.COORDINATES, "400 x 120 pixels, but its annotation is of"),
        (xml(*GRID), b'[{"text": "a", "bbox": [1, 2]}]', Reason.SCHEMA, "its words are no list"),
    ],
)
def test_what_is_no_such_annotation_is_refused_with_a_sentence(
    data: bytes, found_words: bytes | None, reason: Reason, says: str
) -> None:
    with pytest.raises(DocumentError, match=says) as raised:
        read(data, found_words, SIZE)
    assert raised.value.quarantine_reason is reason
