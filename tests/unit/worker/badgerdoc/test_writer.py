"""Writing BadgerDoc JSON: what is written is what is read."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.annotation_pages import read_annotations
from training.badgerdoc.document import Block, Cell, Page, PixelBox
from training.badgerdoc.writer import DocumentWriter, split_last_field

BOX = PixelBox(left=1, top=2, height=3, width=4.5)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SIZES = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
BOXES = st.builds(PixelBox, left=NUMBERS, top=NUMBERS, height=SIZES, width=SIZES)
PLACES = st.integers(0, 10**6)
SPANS = st.integers(1, 10**6)
CELLS = st.builds(
    Cell,
    bbox=BOXES,
    row=PLACES,
    column=PLACES,
    rowspan=SPANS,
    colspan=SPANS,
    text=st.text(st.characters(exclude_categories=["Cs"])),
)
TABLES = st.builds(
    Block,
    type=st.just("table"),
    bbox=st.none() | BOXES,
    header=st.lists(CELLS, max_size=3).map(tuple),
    cells=st.lists(CELLS, max_size=3).map(tuple),
)
PAGES = st.builds(
    Page, page_num=st.integers(0, 10**6), bbox=st.none() | BOXES, blocks=st.lists(TABLES, max_size=3).map(tuple)
)


def write(doc_name: str, pages: list[Page]) -> bytes:
    pieces: list[bytes] = []
    writer = DocumentWriter(pieces.append, doc_name)
    for page in pages:
        writer.add(page)
    writer.end("more", {"of": "another"})
    return b"".join(pieces)


@given(st.text(), st.lists(PAGES, min_size=1, max_size=3, unique_by=lambda page: page.page_num))
def test_what_is_written_is_read_again(doc_name: str, pages: list[Page]) -> None:
    data = write(doc_name, pages)
    assert read_annotations(data) == tuple(pages)
    content = json.loads(data)
    assert content["doc_name"] == doc_name
    written = [block for page in content["pages"] for block in page["blocks"]]
    texts = [cell["text"] for block in written for cell in block["header"] + block["cells"]]
    assert texts == [cell.text for page in pages for block in page.blocks for cell in block.all_cells]


@given(st.lists(PAGES, max_size=2))
def test_the_last_field_is_told_from_what_was_written_before_it(pages: list[Page]) -> None:
    data = write("a.pdf", pages)
    content, value = split_last_field(data, "more")
    assert value == {"of": "another"}
    assert data.startswith(content)
    assert json.loads(content + b"]}")["doc_name"] == "a.pdf"
    assert split_last_field(data, "less") == (b"", None)


def test_a_table_is_written_with_every_field_that_the_format_has_and_whole_pixels_without_a_point() -> None:
    cell = Cell(row=1, column=2, rowspan=1, colspan=3, bbox=BOX, text="é")
    table = Block(type="table", cells=(cell,))
    page = Page(page_num=7, bbox=PixelBox(left=0, top=0, height=90, width=50), blocks=(table,))
    assert write("a.pdf", [page]).decode() == (
        '{"doc_name": "a.pdf",\n"pages": [\n'
        '{"page_num": 7, "bbox": {"left": 0, "top": 0, "height": 90, "width": 50}, "blocks": '
        '[{"type": "table", "bbox": null, "header": [], "cells": [{"row": 1, "column": 2, "rowspan": 1, "colspan": 3, '
        '"bbox": {"left": 1, "top": 2, "height": 3, "width": 4.5}, "text": "\\u00e9"}]}]}'
        '\n],\n"more": {"of": "another"}}\n'
    )
