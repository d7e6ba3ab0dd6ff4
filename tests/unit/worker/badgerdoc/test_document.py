"""Reading BadgerDoc JSON: what may be missing, and what is said of the rest."""

import json
from typing import Any

import pytest

from tests.support.preprocess.annotation_pages import read_annotations
from training.badgerdoc.document import check_page_numbers
from training.documents.quarantine import DocumentError

BOX = {"left": 1, "top": 2, "height": 3, "width": 4}
CELL = {"row": 0, "column": 0, "rowspan": 1, "colspan": 1, "bbox": BOX, "text": "x"}


def document(*blocks: Any, **page: Any) -> bytes:
    return json.dumps({"doc_name": "x", "pages": [{"page_num": 0, "bbox": BOX, "blocks": blocks, **page}]}).encode()


@pytest.mark.parametrize(
    ("data", "tables", "cells"),
    [
        (document(), 0, 0),
        (document({"type": "text_block", "bbox": BOX, "text": "x"}), 0, 0),
        (document({"type": "table", "bbox": BOX, "header": [CELL], "cells": [CELL]}), 1, 2),
        (document({"type": "table", "bbox": BOX, "cells": [CELL]}), 1, 1),
        (document({"type": "table", "bbox": BOX, "header": None, "cells": []}), 1, 0),
        (document({"type": "Table", "cells": [{"row": 0, "column": 0, "bbox": BOX}]}), 1, 1),
        (document({"bbox": BOX, "cells": [CELL]}), 1, 1),
        (document({"bbox": BOX, "text": "neither type nor cells"}), 0, 0),
        (document(blocks=None), 0, 0),
        (json.dumps({"pages": [{"page_num": 0}]}).encode(), 0, 0),
        (b"\xef\xbb\xbf" + document(), 0, 0),
    ],
)
def test_what_can_be_missing_is_filled_in(data: bytes, tables: int, cells: int) -> None:
    page = read_annotations(data)[0]
    assert len(page.tables) == tables
    assert sum(len(table.all_cells) for table in page.tables) == cells


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"", "schema", "JSON"),
        (b"{", "schema", "JSON"),
        (b"[]", "schema", "the file"),
        (b"{}", "schema", "pages: Field required"),
        (b'{"pages": []}', "schema", "no pages"),
        (document(page_num=-1), "schema", "pages.0.page_num"),
        (document({"type": "table", "cells": [{**CELL, "row": "a"}]}), "schema", "pages.0.blocks.0.cells.0.row"),
        (document({"type": "table", "cells": [{"row": 0, "column": 0}]}), "schema", "cells.0.bbox: Field req"),
        (document({"type": "table", "bbox": {**BOX, "width": -1}}), "schema", "blocks.0.bbox.width"),
        (document(bbox={**BOX, "width": float("nan")}), "schema", "bbox.width"),
        (b'{"pages": [{"page_num": 1}, {"page_num": 1}]}', "schema", "page_num 1"),
    ],
)
def test_what_would_change_the_meaning_is_an_error_that_names_the_field(data: bytes, reason: str, words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_annotations(data)
    assert caught.value.quarantine_reason == reason
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("numbers", "page_count", "reason"),
    [
        ([0, 1, 2], 3, None),
        ([2], 3, None),
        ([1, 2, 3], 3, "page_missing"),
        ([0, 3], 3, "page_missing"),
        ([9], 3, "page_missing"),
    ],
)
def test_pages_that_the_pdf_lacks_are_told_apart(numbers: list[int], page_count: int, reason: str | None) -> None:
    parsed = read_annotations(json.dumps({"pages": [{"page_num": number} for number in numbers]}).encode())
    if reason is None:
        check_page_numbers([page.page_num for page in parsed], page_count)
        return
    with pytest.raises(DocumentError) as caught:
        check_page_numbers([page.page_num for page in parsed], page_count)
    assert caught.value.quarantine_reason == reason
