"""What is odd about labels, from the record to the manifest, the report and the log."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.preprocess.command import run_preprocess
from tests.support.preprocess.overlays import TEXTS, annotations, draw_page

pytestmark = pytest.mark.integration


def test_texts_that_differ_or_have_no_label_are_counted_by_page(tmp_path: Path) -> None:
    (tmp_path / "pdfs").mkdir()
    (tmp_path / "json").mkdir()
    for name in ("a", "b", "c", "odd"):
        texts = [list(row) for row in TEXTS]
        page = annotations(texts)
        if name == "odd":
            texts[1][0] = "Insurance"
            page = annotations(texts)
            # Somebody has written texts into cells below the table.
            page["blocks"][0]["cells"] += [
                cell | {"bbox": cell["bbox"] | {"top": top}}
                for cell, top in zip(_cells(page), (900, 950), strict=False)
            ]
        draw_page(tmp_path / "pdfs" / f"{name}.pdf")
        (tmp_path / "json" / f"{name}.json").write_text(json.dumps({"pages": [page]}))
    code, output, _ = run_preprocess("--source", tmp_path, "--working_dir", tmp_path / "out")
    assert code == 0, output
    assert "odd has what report.html shows as odd: 1 text_differs (page 0), 2 text_without_label (page 0)" in output
    remarks = json.loads((tmp_path / "out/ttv/manifest.json").read_bytes())["remarks"]
    assert remarks == [
        {"document": "odd", "page": 0, "kind": "text_differs", "count": 1},
        {"document": "odd", "page": 0, "kind": "text_without_label", "count": 2},
    ]
    report = (tmp_path / "out/report.html").read_text()
    assert "holds &#x27;Rent&#x27; instead of &#x27;Insurance&#x27;." in report
    assert "2&nbsp;×&nbsp;text without label" in report
    # They come from the records where nothing is prepared anew.
    (tmp_path / "out/ttv/manifest.json").unlink()
    code, output, _ = run_preprocess("--source", tmp_path, "--working_dir", tmp_path / "out")
    assert "0 pages drawn" in output
    assert json.loads((tmp_path / "out/ttv/manifest.json").read_bytes())["remarks"] == remarks


def _cells(page: dict[str, Any]) -> list[dict[str, Any]]:
    return list(page["blocks"][0]["cells"])


def test_few_texts_of_many_pages_that_all_differ_set_the_document_aside(tmp_path: Path) -> None:
    """None of its pages would be enough to judge by."""
    (tmp_path / "pdfs").mkdir()
    (tmp_path / "json").mkdir()
    for name in ("a", "b", "c", "other"):
        draw_page(tmp_path / "pdfs" / f"{name}.pdf")
        page = annotations()
        if name == "other":
            page["blocks"][0]["header"] = []
            page["blocks"][0]["cells"] = [cell | {"text": "Zebra Quiz"} for cell in _cells(page)[:2]]
            page["blocks"][0]["cells"][1]["text"] = "Kiwi"
        (tmp_path / "json" / f"{name}.json").write_text(json.dumps({"pages": [page]}))
    code, output, _ = run_preprocess(
        "--source", tmp_path, "--working_dir", tmp_path / "out", "--max_failed_documents", "50%"
    )
    assert code == 0, output
    [left_out] = json.loads((tmp_path / "out/ttv/manifest.json").read_bytes())["quarantined"]
    assert (left_out["name"], left_out["reason"]) == ("other", "text_mismatch")
    assert left_out["message"].startswith("On all its pages, 0 of 2 texts agree with the words in their cells")
    assert not [path for path in (tmp_path / "out/pdfs/other").rglob("*") if path.is_file()]
