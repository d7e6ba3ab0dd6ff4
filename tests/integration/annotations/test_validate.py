"""`validate` over documents without and with faults."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD, draw_faults
from hack.s3.server import S3Server
from tests.support.annotations.command import run_annotations
from tests.support.preprocess.command import upload
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

GOOD = 4
FOUND_BY_DRAWING = {"timeout", "text_mismatch"}


def test_documents_without_faults_are_counted(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=2)
    code, output, errors = run_annotations("validate", tmp_path)
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"{GOOD} documents ({GOOD} in the badgerdoc format): {2 * GOOD} pages, ")
    assert lines[1:] == ["no faults"]


def test_each_fault_that_needs_no_drawing_has_the_reason_of_preprocess(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3)
    faults = draw_faults(tmp_path)
    expected = {name: reason for name, reason in faults.items() if reason not in FOUND_BY_DRAWING}
    (tmp_path / "json" / "notes.txt").touch()
    code, output, errors = run_annotations("validate", tmp_path, "--json")
    assert code == 65
    assert f"{len(expected)} of {GOOD + len(faults)} documents have faults" in errors
    found = json.loads(output)
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in found["faults"]:
        reasons[fault["document"]].append(fault["reason"])
    assert {name: reasons[name][0] for name in reasons} == expected
    assert (found["documents"], found["ignored"]) == (GOOD + len(faults), ["json/notes.txt"])


def test_every_page_of_another_shape_and_every_box_outside_its_page_is_named(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=1, seed=3, pages=3)
    path = tmp_path / "json" / "document-0001.json"
    content = json.loads(path.read_bytes())
    for page in content["pages"]:
        for block in page["blocks"]:
            block["type"] = "text"
    box = {"left": 10, "top": 10, "width": 50, "height": 20}
    cells = [{"row": 0, "column": column, "bbox": {**box, "left": 5000 * column}} for column in range(3)]
    content["pages"][0]["blocks"] = [{"type": "table", "bbox": box, "cells": cells}]
    for page in content["pages"][1:]:
        page["blocks"] = [{"type": "table", "bbox": box}]
        page["bbox"]["width"] *= 3
    path.write_text(json.dumps(content))
    _, output, _ = run_annotations("validate", tmp_path)
    found = [line.partition("document-0001: coordinates: ")[2] for line in output.splitlines()]
    assert [text.split(",")[0] for text in found if "another shape" in text] == [
        f"Page {number} is {page['bbox']['width']} x {page['bbox']['height']} in the JSON"
        for number, page in enumerate(content["pages"])
        if number
    ]
    assert [text.split(" reaches")[0] for text in found if "outside" in text] == [
        "The bbox of pages.0.blocks.0.cells.1",
        "The bbox of pages.0.blocks.0.cells.2",
    ]


@pytest.mark.parametrize(("frame", "code"), [("auto", 65), ("media", 0), ("crop", 0)])
def test_a_frame_that_neither_sizes_nor_words_tell_is_a_fault_unless_it_is_stated(
    frame: str, code: int, tmp_path: Path
) -> None:
    """A page whose CropBox has the shape of its MediaBox, and whose words lie in no cell of either."""
    for folder in ("pdfs", "json"):
        (tmp_path / folder).mkdir()
    canvas = Canvas(str(tmp_path / "pdfs" / "a.pdf"), pagesize=(600, 800))
    canvas.setCropBox((60, 80, 540, 720))
    canvas.drawString(300, 400, "words")
    canvas.save()
    table = {"type": "table", "bbox": {"left": 60, "top": 60, "width": 90, "height": 60}}
    page = {"page_num": 0, "bbox": {"left": 0, "top": 0, "width": 600, "height": 800}, "blocks": [table]}
    (tmp_path / "json" / "a.json").write_text(json.dumps({"pages": [page]}))
    found, output, _ = run_annotations("validate", tmp_path, "--frame", frame)
    assert found == code, output
    assert ("cannot be told" in output) is (code != 0)


def test_a_password_opens_a_document(tmp_path: Path) -> None:
    draw_faults(tmp_path)
    passwords = tmp_path / "passwords.yaml"
    passwords.write_text(json.dumps({"encrypted": PASSWORD}))
    _, output, _ = run_annotations("validate", tmp_path, "--passwords", passwords)
    assert "corrupt-empty: corrupt: " in output
    assert "encrypted: " not in output
    assert PASSWORD not in output


def test_documents_in_s3_are_checked_too(s3_environment: S3Server, tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=1)
    (tmp_path / "json" / "document-0002.json").unlink()
    bucket = s3_environment.new_bucket()
    upload(tmp_path, open_storage(f"s3://{bucket}/source"))
    code, output, _ = run_annotations("validate", f"s3://{bucket}/source", environment=s3_environment.environment)
    assert code == 65
    assert "document-0002: no_json: pdfs/document-0002.pdf has no json/document-0002.json" in output


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["absent"], 66, "does not exist"),
        ([], 64, "SOURCE"),
        ([".", "--coordinates", "miles"], 64, "--coordinates is 'miles'"),
        ([".", "--dpi", "9"], 64, "--dpi is 9"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], code: int, says: str) -> None:
    found, _, errors = run_annotations("validate", *arguments)
    assert found == code
    assert says in errors
