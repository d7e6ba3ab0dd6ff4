"""Both formats of annotations, told apart by their content."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.annotation_pages import read_annotations
from training.badgerdoc.reader import MAX_JSON_BYTES, page_texts
from training.documents.quarantine import DocumentError, Reason

PAGE = {"page_num": 1, "size": {"width": 600, "height": 800}}


def platform(*objects: dict[str, Any], **page: Any) -> bytes:
    return json.dumps({"revision": "1", "pages": [{**PAGE, "objs": list(objects), **page}]}).encode()


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


@pytest.mark.parametrize("stated", ["auto", "badgerdoc", "platform"])
@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"pages": 1}',
        b'{"pages": ' + b"[" * 100_000,
        b'{"pages": [{"page_num": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}]}",
        b'{"x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b'{"pages": [{"page_num": ' + b"9" * 5_000 + b"}]}",
        b'{"pages": [{"page_num": 1e999}]}',
        b'{"pages": [{"page_num": "\\ud800"}]}',
    ],
    ids=["empty", "no list", "deep list", "deep page", "deep object", "huge number", "infinite", "surrogate"],
)
def test_hostile_json_is_not_in_the_format_that_it_was_read_in(data: bytes, stated: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_annotations(data, stated)
    assert caught.value.quarantine_reason is Reason.SCHEMA
    assert f"not in the {'platform' if stated == 'platform' else 'badgerdoc'} format" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_huge_json_is_not_read() -> None:
    with pytest.raises(DocumentError) as caught:
        read_annotations(b" " * (MAX_JSON_BYTES + 1))
    assert caught.value.quarantine_reason is Reason.TOO_LARGE


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
            assert error.quarantine_reason is Reason.SCHEMA  # noqa: PT017 - the other way out is fine


CELL = {"type": "table_cell", "bbox": [0, 0, 9, 9]}
BOX = {"left": 0, "top": 0, "height": 9, "width": 9}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            json.dumps(
                {
                    "pages": [
                        {
                            "page_num": 0,
                            "blocks": [
                                {"cells": [{"row": 0, "bbox": BOX}, {"row": 0, "column": 1, "bbox": BOX}, {}]},
                                {"bbox": {"left": 0, "top": 0, "height": -1, "width": "x"}},
                            ],
                        }
                    ]
                }
            ).encode(),
            [
                "pages.0.blocks.0.cells.0.column: ",
                "pages.0.blocks.0.cells.2.bbox: ",
                "pages.0.blocks.0.cells.2.row: ",
                "pages.0.blocks.0.cells.2.column: ",
                "pages.0.blocks.1.bbox.height: ",
                "pages.0.blocks.1.bbox.width: ",
            ],
        ),
        (
            platform(
                {"type": "table", "bbox": [9, 0, 0, 9]},
                {**CELL, "bbox": None},
                CELL,
                {**CELL, "data": {"row": -1}},
                {"type": "text", "bbox": "none"},
            ),
            ["pages.0.objs.0.bbox: ", "pages.0.objs.1.bbox: ", "pages.0.objs.3.data.row: "],
        ),
        (platform(page_num=0, size={"width": 600}), ["pages.0.page_num: ", "pages.0.size.height: "]),
        (platform(CELL), []),
    ],
)
def test_all_faults_of_a_page_are_named_with_their_paths(data: bytes, expected: list[str]) -> None:
    [page] = page_texts(data)
    found = page.faults()
    assert len(found) == len(expected)
    assert all(fault.startswith(path) for path, fault in zip(expected, found, strict=True)), found
