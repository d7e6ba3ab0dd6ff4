"""Texts of cells that are not on the page where the JSON has them: the document is set aside, and why is said."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter

from tests.support.preprocess import scans
from tests.support.preprocess.overlays import annotations, draw_page, nothing, ocr_layer, watermark
from tests.support.preprocess.raw_pdf import pdf, stream
from tests.support.preprocess.scans import typed_table
from training.documents.poppler import PdfFile
from training.documents.quarantine import QuarantinedDocument
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk

pytestmark = pytest.mark.integration
Texts = Sequence[Sequence[str]]
ITEMS = ("Rent", "Food", "Travel", "Water", "Books", "Paper", "Power", "Cloud", "Paint", "Wages")


def texts_of_page(number: int) -> Texts:
    """Another table for each page, in the same place."""
    rows = [
        (ITEMS[(3 * number + row) % 10], str(2001 + 3 * number + row), str(97 * (number + 2) * row))
        for row in (1, 2, 3)
    ]
    return ((f"Item {number}", "Year", "Amount"), *rows)


@pytest.fixture
def five_pages(tmp_path: Path) -> Path:
    writer = PdfWriter()
    for number in range(5):
        draw_page(tmp_path / f"{number}.pdf", texts=texts_of_page(number))
        writer.append(tmp_path / f"{number}.pdf")
    writer.write(tmp_path / "five.pdf")
    return tmp_path / "five.pdf"


def prepared(pdf: Path, *pages: dict[str, Any]) -> PreparedChunk | QuarantinedDocument:
    folder = pdf.parent / "out"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"pages": pages}))
    return prepare_chunk(DocumentTask(pdf.stem, PdfFile(pdf), folder / "a.json", folder, PageOptions()), 0)


def test_texts_that_are_on_their_pages_are_no_mismatch(five_pages: Path) -> None:
    found = prepared(five_pages, *(annotations(texts_of_page(number), page_num=number) for number in range(5)))
    assert isinstance(found, PreparedChunk)
    # Header cells that all pages share count once a page.
    assert (found.agreement.compared, found.agreement.agreeing) == (60, 60)
    assert not any(page.labelled.remarks for page in found.pages)


def test_a_json_that_counts_from_one_is_told_by_the_texts_of_two_of_five_pages(five_pages: Path) -> None:
    found = prepared(five_pages, *(annotations(texts_of_page(number - 1), page_num=number) for number in (2, 3)))
    assert isinstance(found, QuarantinedDocument)
    assert found.reason == "text_mismatch"
    assert (
        "the texts of page 2 are on page 1: page_num is 1 too high; does the JSON count pages from 1" in found.message
    )


def test_a_single_page_of_another_is_enough_to_set_the_document_aside(five_pages: Path) -> None:
    texts = [texts_of_page(number) for number in (0, 1, 4)]
    found = prepared(five_pages, *(annotations(text, page_num=number) for number, text in enumerate(texts)))
    assert isinstance(found, QuarantinedDocument)
    assert found.reason == "text_mismatch"
    assert "On page 2, " in found.message
    assert "the texts of page 2 are on page 4" in found.message


def test_the_pdf_of_another_document_is_told_with_an_example(five_pages: Path) -> None:
    wrong = tuple(tuple(f"{row}{column} Quiz" for column in "xyz") for row in "abcd")
    found = prepared(five_pages, annotations(wrong))
    assert isinstance(found, QuarantinedDocument)
    assert found.reason == "text_mismatch"
    assert "0 of 12 texts agree with the words in their cells ('Item 0' instead of 'ax Quiz'" in found.message
    assert "is the PDF the one that was annotated?" in found.message


def test_texts_over_an_empty_part_of_the_page_are_told(five_pages: Path) -> None:
    found = prepared(five_pages, annotations(texts_of_page(0), down=300))
    assert isinstance(found, QuarantinedDocument)
    assert found.reason == "text_mismatch"
    assert "12 of 12 cells with text hold neither word nor ink" in found.message


def test_one_text_that_differs_is_a_remark(five_pages: Path) -> None:
    texts = [list(row) for row in texts_of_page(0)]
    texts[1][0] = "Insurance"
    found = prepared(five_pages, annotations(texts))
    assert isinstance(found, PreparedChunk)
    [remark] = found.pages[0].labelled.remarks
    assert remark.kind == "text_differs"
    assert remark.message == "The cell at (150, 300) holds 'Food' instead of 'Insurance'."


@pytest.mark.parametrize("size", [8, 12, 20, 36, 60])
@pytest.mark.parametrize("angle", [0, 40])
def test_a_watermark_over_a_scan_says_nothing_about_the_texts(tmp_path: Path, size: float, angle: float) -> None:
    draw_page(tmp_path / "scan.pdf", watermark(size=size, angle=angle), scanned=True)
    assert isinstance(prepared(tmp_path / "scan.pdf", annotations()), PreparedChunk)


def test_nothing_is_compared_on_a_scan_without_a_text_layer(tmp_path: Path) -> None:
    draw_page(tmp_path / "scan.pdf", nothing, scanned=True)
    found = prepared(tmp_path / "scan.pdf", annotations(tuple(("other",) * 3 for _ in range(4))))
    assert isinstance(found, PreparedChunk)
    assert found.agreement.compared == 0


def test_a_text_layer_that_ocr_read_wrong_in_places_is_no_mismatch(tmp_path: Path) -> None:
    read = (("ltem", "Year", "Arnount"), ("Rent", "20l9", "1Z00"), ("Food", "2020", "340"), ("Trave1", "2021", "5S"))
    draw_page(tmp_path / "scan.pdf", ocr_layer(texts=read), scanned=True)
    assert isinstance(prepared(tmp_path / "scan.pdf", annotations()), PreparedChunk)


@pytest.mark.parametrize("by", [1, -3])
def test_a_garbled_text_layer_is_no_mismatch_and_takes_no_label_away(tmp_path: Path, by: int) -> None:
    """Helvetica that says of each character that it is another one."""
    to_unicode = b"1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <24> <7E> <%04X> endbfrange"
    found = {}
    for name, entry, extra in (
        ("plain", b"", []),
        ("garbled", b"/ToUnicode 6 0 R", [stream(to_unicode % (0x24 + by))]),
    ):
        data = pdf(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F 5 0 R >> >> >>",
            stream(typed_table()),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica %s >>" % entry,
            *extra,
        )
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.pdf").write_bytes(data)
        [page] = json.loads(scans.annotations())["pages"]
        [block] = page["blocks"]
        for cell, text in zip(block["header"] + block["cells"], chain(*scans.TEXTS), strict=True):
            cell["text"] = text
        result = prepared(tmp_path / name / "a.pdf", page)
        assert isinstance(result, PreparedChunk), result
        found[name] = result
    assert found["plain"].agreement.agreeing == 12
    assert found["garbled"].agreement.compared == 0
    pairs = zip(*(list(result.pages[0].labelled.boxes) for result in found.values()), strict=True)
    # The words' boxes have the font's height, and the ink's that of the letters.
    assert all(max(abs(a - b) for a, b in zip(one.box, other.box, strict=True)) <= 12 for one, other in pairs)
