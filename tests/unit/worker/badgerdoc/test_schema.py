"""The JSON Schemas: those in docs/ are the models', and they take what the reader takes."""

import json
from typing import Any

import pytest

from tests.support.json_schema import accepts
from tests.support.paths import REAL_DOCUMENTS, REPOSITORY
from tests.support.preprocess.annotation_pages import read_annotations
from training.annotations.schema.command import schema_text
from training.badgerdoc.schema import SCHEMAS
from training.documents.quarantine import DocumentError

BOX = {"left": 10, "top": 20.5, "height": 30, "width": 40}
CELL = {"row": 0, "column": 1, "rowspan": 1, "colspan": 2, "bbox": BOX}


def badgerdoc(*blocks: Any, **page: Any) -> Any:
    return {"doc_name": "report.pdf", "pages": [{"page_num": 0, "bbox": BOX, "blocks": list(blocks), **page}]}


def with_cell(**changes: Any) -> Any:
    """A document with one cell; a field that is changed to `...` is left out."""
    return badgerdoc({"type": "table", "bbox": BOX, "cells": [changed(CELL, changes)]})


def platform(*objects: Any, **page: Any) -> Any:
    return {"pages": [{"page_num": 1, "size": {"width": 600, "height": 800}, "objs": list(objects), **page}]}


def with_platform_cell(**changes: Any) -> Any:
    place = {"row": 0, "col": 0, "rowspan": 1, "colspan": 1}
    cell = {"id": 2, "type": "table_cell", "category": "7", "bbox": [10, 10, 50, 30], "data": place}
    return platform({"id": 1, "type": "table", "bbox": [0, 0, 100, 100], "children": [2]}, changed(cell, changes))


def changed(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**item, **changes}.items() if value is not ...}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_in_docs_are_those_of_the_models(name: str) -> None:
    assert (REPOSITORY / f"docs/schemas/{name}.schema.json").read_text() == schema_text(name), "run `make schemas`"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("badgerdoc", badgerdoc(), True),
        ("badgerdoc", with_cell(), True),
        ("badgerdoc", with_cell(column=..., col=1), True),
        ("badgerdoc", with_cell(column=...), False),
        ("badgerdoc", with_cell(row=...), False),
        ("badgerdoc", with_cell(row=-1), False),
        ("badgerdoc", with_cell(row=0.5), False),
        ("badgerdoc", with_cell(rowspan=..., colspan=...), True),
        ("badgerdoc", with_cell(rowspan=0), False),
        ("badgerdoc", with_cell(bbox=...), False),
        ("badgerdoc", with_cell(bbox={**BOX, "left": -3}), True),
        ("badgerdoc", with_cell(bbox={**BOX, "height": -3}), False),
        ("badgerdoc", with_cell(bbox=[10, 20, 30, 40]), False),
        ("badgerdoc", with_cell(confidence="high"), True),
        ("badgerdoc", badgerdoc({"type": "table", "bbox": BOX, "header": None, "cells": None}), True),
        ("badgerdoc", badgerdoc({"type": None, "cells": [CELL]}), True),
        ("badgerdoc", badgerdoc({"type": "text_block", "bbox": BOX, "text": "Words"}), True),
        ("badgerdoc", badgerdoc({"type": 7}), False),
        ("badgerdoc", badgerdoc(bbox=None), True),
        ("badgerdoc", badgerdoc(page_num=-1), False),
        ("badgerdoc", {"pages": [{"page_num": 3, "blocks": None}]}, True),
        ("badgerdoc", {"pages": [{"blocks": []}]}, False),
        ("badgerdoc", {"pages": []}, False),
        ("badgerdoc", {"pages": None}, False),
        ("badgerdoc", {"doc_name": "report.pdf"}, False),
        ("platform", platform(), True),
        ("platform", platform(page_num=0), False),
        ("platform", platform(size=None, objs=None), True),
        ("platform", platform(size={"width": 600}), False),
        ("platform", with_platform_cell(), True),
        ("platform", with_platform_cell(type="text", bbox="anything", data=7), True),
        ("platform", with_platform_cell(bbox=[10, 10, 50]), False),
        ("platform", with_platform_cell(bbox=...), False),
        ("platform", with_platform_cell(data={"row": None, "column": 3, "rowspan": None, "colspan": 0}), True),
        ("platform", with_platform_cell(data={"row": -1}), False),
        ("platform", with_platform_cell(data=[]), True),
        ("platform", platform({"category": "table", "bbox": None, "children": None}), True),
        ("platform", platform({"category": "table", "bbox": "all"}), False),
        ("platform", platform({"id": None, "category": 7, "children": [1, "a", None]}), True),
        ("platform", platform({"id": 1.5}), False),
    ],
)
def test_a_schema_takes_what_the_reader_takes(name: str, content: Any, expected: bool) -> None:
    assert accepts(SCHEMAS[name](), content) is expected
    try:
        read_annotations(json.dumps(content).encode(), name)
    except DocumentError:
        assert not expected
    else:
        assert expected


@pytest.mark.skipif(not REAL_DOCUMENTS.is_dir(), reason=f"REAL DOCUMENTS ABSENT: {REAL_DOCUMENTS}")
def test_the_schema_takes_the_real_documents() -> None:
    paths = sorted((REAL_DOCUMENTS / "json").glob("*.json"))
    assert [path.name for path in paths if not accepts(SCHEMAS["badgerdoc"](), json.loads(path.read_bytes()))] == []
