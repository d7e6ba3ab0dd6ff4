"""`validate` over documents without and with faults."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfgen.canvas import Canvas

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD, draw_faults
from hack.s3.server import S3Server
from tests.support.annotations.command import run_annotations
from tests.support.preprocess.command import run_preprocess, upload
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

GOOD = 4
FOUND_BY_DRAWING = {"timeout", "text_mismatch"}


def table(left: float, top: float) -> dict[str, Any]:
    return {"type": "table", "bbox": {"left": left, "top": top, "width": 90, "height": 60}}


def json_page(number: int, *blocks: dict[str, Any], width: float = 600) -> dict[str, Any]:
    """A page in points, 800 high."""
    return {"page_num": number, "bbox": {"left": 0, "top": 0, "width": width, "height": 800}, "blocks": list(blocks)}


def write_pair(
    folder: Path,
    name: str,
    sizes: Sequence[tuple[float, float]],
    pages: Sequence[dict[str, Any]],
    crop: tuple[float, float, float, float] | None = None,
) -> None:
    """A PDF whose pages have these sizes and a word each, in the middle of a large page, and its JSON."""
    for part in ("pdfs", "json"):
        (folder / part).mkdir(exist_ok=True)
    canvas = Canvas(str(folder / "pdfs" / f"{name}.pdf"))
    for size in sizes:
        canvas.setPageSize(size)
        if crop is not None:
            canvas.setCropBox(crop)
        canvas.drawString(300, 400, "words")
        canvas.showPage()
    canvas.save()
    (folder / "json" / f"{name}.json").write_text(json.dumps({"pages": pages}))


def test_documents_without_faults_are_counted(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=2)
    code, output, errors = run_annotations("validate", tmp_path)
    assert code == 0
    assert all(line.endswith(" documents checked") for line in errors.splitlines())  # where that takes long
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
    write_pair(tmp_path, "a", [(600, 800)], [json_page(0, table(60, 60))], crop=(60, 80, 540, 720))
    found, output, _ = run_annotations("validate", tmp_path, "--frame", frame)
    assert found == code, output
    assert ("cannot be told" in output) is (code != 0)


def test_what_comes_after_a_frame_that_cannot_be_told_is_said_too(tmp_path: Path) -> None:
    """Also a page without a size, which ends the search for the frame in preprocess."""
    pages = [json_page(number, table(60, 60)) for number in range(4)]
    del pages[1]["bbox"]
    pages[2]["blocks"].append({"type": "table"})
    pages[3]["blocks"].append(table(60, 5000))
    write_pair(tmp_path, "a", [(600, 800)] * 4, pages, crop=(60, 80, 540, 720))
    _, output, _ = run_annotations("validate", tmp_path, "--json")
    assert [(fault["reason"], fault["message"].partition(";")[0][:42]) for fault in json.loads(output)["faults"]] == [
        ("coordinates", "Page 1 has tables but no size (bbox), so t"),
        ("coordinates", "What the boxes of page 0 count from cannot"),
        ("empty_table", "The table at page 2, block 1 has neither b"),
        ("coordinates", "The bbox of pages.3.blocks.1 reaches to (1"),
    ]


def test_the_first_fault_is_the_one_for_which_preprocess_sets_the_document_aside(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=1)
    wide = json_page(0, table(60, 60), width=900)
    write_pair(tmp_path, "narrow", [(600, 800), (12, 800)], [wide, json_page(1, width=12)])
    crop = (60, 80, 72, 720)
    write_pair(tmp_path, "narrow-crop", [(600, 800)] * 2, [wide, json_page(1)], crop)
    write_pair(tmp_path, "untold", [(600, 800)], [json_page(0, table(60, 60), {"type": "table"})], (60, 80, 540, 720))
    write_pair(tmp_path, "sizeless", [(600, 800)] * 2, [json_page(0, {"type": "table"}), json_page(3)])
    write_pair(tmp_path, "twice", [(600, 800)], [json_page(0), json_page(0)])
    (tmp_path / "pdfs" / "twice.pdf").write_bytes(b"%PDF-1.4 no more")
    run_preprocess("--source", tmp_path, "--working_dir", tmp_path / "out", "--max_failed_documents", "100%")
    manifest = json.loads((tmp_path / "out" / "ttv" / "manifest.json").read_bytes())
    expected = {entry["name"]: (entry["reason"], entry["message"]) for entry in manifest["quarantined"]}
    _, output, _ = run_annotations("validate", tmp_path, "--json")
    found: dict[str, tuple[str, str]] = {}
    for fault in json.loads(output)["faults"]:
        found.setdefault(fault["document"], (fault["reason"], fault["message"]))
    assert found == expected
    assert {name: reason for name, (reason, _) in found.items()} == {
        "narrow": "shape",
        "narrow-crop": "coordinates",
        "untold": "coordinates",
        "sizeless": "page_missing",
        "twice": "schema",
    }


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
