"""Pages that the renderer cannot draw as the PDF has them: no labels are made of them, and nothing is predicted."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from tests.support.preprocess.cid_fonts import SIZE_PT, TEXTS, UNKNOWABLE, page_in
from tests.support.preprocess.raw_pdf import one_page, pdf, raw_stream, stream
from tests.support.preprocess.scans import (
    HEIGHT_PT,
    TABLE_BOTTOM_PT,
    WIDTH_PT,
    Encoded,
    annotations,
    ccitt,
    dct,
    flate,
    jbig2_nonsense,
    jpx,
    scan_pdf,
    typed_table,
)
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason
from training.documents.render import RenderOptions, page_sizes, render_pages
from training.infer.render_ahead import DrawnChunk, DrawTask, draw_chunk
from training.labels.categories import CELL
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk

pytestmark = pytest.mark.integration

DAMAGED: dict[str, Callable[[], Encoded]] = {
    "JPX of nonsense": lambda: jpx().nonsense(),
    "JPX cut at a fifth": lambda: jpx().cut(0.2),
    "JBIG2 of nonsense": jbig2_nonsense,
    "DCT of nonsense": lambda: dct().nonsense(),
    "DCT of nothing": lambda: dct().cut(0),
    "JPEG cut at a fifth": lambda: dct().cut(0.2),
    "JPEG cut at two fifths": lambda: dct().cut(0.4),
    "Flate of nonsense": lambda: flate().nonsense(),
    "Flate cut at two fifths": lambda: flate().cut(0.4),
    "CCITT of nonsense": lambda: ccitt().nonsense(),
    "CCITT cut at two fifths": lambda: ccitt().cut(0.4),
    "a filter that does not exist": lambda: flate()._replace(
        entries=flate().entries.replace(b"/FlateDecode", b"/Nonsense")
    ),
}
LAYERS = {
    "under an OCR layer": {"words": True},
    "without words": {"words": False},
    "under a stamp": {"words": False, "stamp": True},
    "under a stamp and an OCR layer": {"words": True, "stamp": True},
}


def prepared(folder: Path, data: bytes, labels: bytes | None = None) -> PreparedChunk | QuarantinedDocument:
    (folder / "x.pdf").write_bytes(data)
    (folder / "x.json").write_bytes(annotations() if labels is None else labels)
    return prepare_chunk(DocumentTask("x", PdfFile(folder / "x.pdf"), folder / "x.json", folder, PageOptions()), 0)


def drawn(folder: Path, data: bytes) -> DrawnChunk | QuarantinedDocument:
    (folder / "x.pdf").write_bytes(data)
    return draw_chunk(DrawTask("x", PdfFile(folder / "x.pdf"), folder / "drawn", RenderOptions()), 0)


def cells(result: PreparedChunk | QuarantinedDocument) -> int:
    assert isinstance(result, PreparedChunk), result
    return sum(box.category == CELL for page in result.pages for box in page.labelled.boxes)


def remarks(result: PreparedChunk | QuarantinedDocument) -> list[str]:
    assert isinstance(result, PreparedChunk), result
    return [remark.kind for page in result.pages for remark in page.labelled.remarks]


def missing(result: DrawnChunk | QuarantinedDocument) -> list[str]:
    assert isinstance(result, DrawnChunk), result
    return [finding.kind for page in result.pages for finding in page.missing]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_scan_that_cannot_be_drawn_is_neither_labelled_nor_predicted_on(
    damage: str, layer: str, tmp_path: Path
) -> None:
    data = scan_pdf(DAMAGED[damage](), **LAYERS[layer])
    for result in (prepared(tmp_path, data), drawn(tmp_path, data)):
        assert isinstance(result, QuarantinedDocument), result
        assert result.reason is Reason.CORRUPT
        assert "Page 0" in result.message


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("whole", [jpx, dct, flate, ccitt])
def test_a_whole_scan_gives_all_its_cells(whole: Callable[[], Encoded], layer: str, tmp_path: Path) -> None:
    data = scan_pdf(whole(), **LAYERS[layer])
    result = prepared(tmp_path, data)
    assert cells(result) == 12
    assert remarks(result) == []
    assert missing(drawn(tmp_path, data)) == []


def test_a_scan_that_is_cut_off_below_its_tables_is_no_loss(tmp_path: Path) -> None:
    table_px = TABLE_BOTTOM_PT / HEIGHT_PT
    assert cells(prepared(tmp_path, scan_pdf(flate().cut_rows(table_px), words=True))) == 12


def test_a_small_image_that_cannot_be_decoded_is_a_remark(tmp_path: Path) -> None:
    image, content = dct().nonsense(), typed_table() + b"q 60 0 0 60 20 20 cm /I Do Q\n"
    data = one_page(content, raw_stream(image.data, image.entries))
    result = prepared(tmp_path, data)
    assert cells(result) == 12
    assert remarks(result) == ["undecodable_image"]
    assert missing(drawn(tmp_path, data)) == ["undecodable_image"]


def test_glyphs_that_only_their_font_knew_are_not_taken_for_text(tmp_path: Path) -> None:
    """Half of the cells are in a font that is not embedded, whose characters are its own."""
    names = b" ".join(b"/uniE%03X" % code for code in range(32, 127))
    font = (
        b"<< /Type /Font /Subtype /Type1 /BaseFont /ABCDEF+Own /FirstChar 32 /LastChar 126 /Widths [%s] "
        b"/FontDescriptor << /Type /FontDescriptor /FontName /ABCDEF+Own /Flags 4 /FontBBox [0 -200 1000 900] "
        b"/ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >> "
        b"/Encoding << /Type /Encoding /Differences [32 %s] >> >>" % (b"500 " * 95, names)
    )
    data = pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F 5 0 R /G 6 0 R >> >> >>",
        stream(typed_table().replace(b"/F", b"/G", 6)),
        font,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    result = prepared(tmp_path, data, annotations())
    assert isinstance(result, QuarantinedDocument), result
    assert "6 of 12 words of its text layer on blank paper" in result.message


def test_a_few_words_on_blank_paper_get_no_label_and_a_remark(tmp_path: Path) -> None:
    result = prepared(tmp_path, one_page(typed_table(hidden=2)))
    assert cells(result) == 10
    assert remarks(result) == ["words_without_ink"]


def test_a_table_most_of_whose_words_are_on_blank_paper_is_not_used(tmp_path: Path) -> None:
    result = prepared(tmp_path, one_page(typed_table(hidden=7)))
    assert isinstance(result, QuarantinedDocument)
    assert result.reason is Reason.CORRUPT
    assert "7 of 12 words" in result.message


@pytest.mark.parametrize("encoding", TEXTS)
def test_asian_text_whose_font_is_not_embedded_is_drawn_with_one_of_this_machine(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(page_in(TEXTS[encoding]))
    [page] = render_pages(PdfFile(path), [0], page_sizes(PdfFile(path)), RenderOptions(144), folder=tmp_path)
    with Image.open(page.path) as image:
        top = 2 * (HEIGHT_PT - 700 - SIZE_PT)
        edges = [2 * (40 + SIZE_PT * column) for column in range(5)]
        grey = image.convert("L")
        letters = [grey.crop((left, top, right, top + 60)) for left, right in pairwise(edges)]
    assert all(letter.getextrema()[0] < 100 for letter in letters)  # type: ignore[operator]
    # Glyphs that a font lacks all look the same.
    assert len({letter.tobytes() for letter in letters}) == 4
    assert missing(drawn(tmp_path, path.read_bytes())) == []


def test_a_font_that_nobody_can_know_is_named(tmp_path: Path) -> None:
    result = drawn(tmp_path, page_in(UNKNOWABLE))
    assert missing(result) == ["missing_glyphs"]
    assert isinstance(result, DrawnChunk)
    assert "MS-PGothic" in result.pages[0].missing[0].message


def test_where_no_font_has_the_glyphs_the_font_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.documents.undrawn.check.glyphs_of", lambda _: (range(0x20, 0x7F),))
    result = drawn(tmp_path, page_in(TEXTS["UniGB-UCS2-H"]))
    assert missing(result) == ["missing_glyphs"]
    assert isinstance(result, DrawnChunk)
    assert "STSong-Light" in result.pages[0].missing[0].message


PLACEHOLDER = (
    "Please wait... If this message is not eventually replaced by the proper contents of the document, your PDF",
    "viewer may not be able to display this type of document.",
)


@pytest.mark.parametrize("labels", [annotations(), annotations(tables=False)])
def test_a_form_that_only_adobe_can_show_is_not_used(labels: bytes, tmp_path: Path) -> None:
    data = one_page(b"BT /F 9 Tf 60 700 Td (%s) Tj 0 -12 Td (%s) Tj ET" % tuple(line.encode() for line in PLACEHOLDER))
    for result in (prepared(tmp_path, data, labels), drawn(tmp_path, data)):
        assert isinstance(result, QuarantinedDocument)
        assert result.reason is Reason.CORRUPT
        assert "print it to a PDF" in result.message


def portfolio(tmp_path: Path) -> bytes:
    """A placeholder, then a real page."""
    canvas = Canvas(str(tmp_path / "made.pdf"), pagesize=(WIDTH_PT, HEIGHT_PT))
    for lines in (PLACEHOLDER, ("The real content",)):
        for row, line in enumerate(lines):
            canvas.setFont("Helvetica", 9)
            canvas.drawString(60, 700 - 12 * row, line)
        canvas.showPage()
    canvas.save()
    return (tmp_path / "made.pdf").read_bytes()


def test_a_placeholder_before_real_pages_is_a_remark(tmp_path: Path) -> None:
    assert missing(drawn(tmp_path, portfolio(tmp_path))) == ["placeholder"]


def test_a_placeholder_with_tables_is_not_used_even_before_real_pages(tmp_path: Path) -> None:
    result = prepared(tmp_path, portfolio(tmp_path), annotations())
    assert isinstance(result, QuarantinedDocument)
    assert "print it to a PDF" in result.message


def test_a_pdf_without_pages_is_told_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "none.pdf"
    path.write_bytes(pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"))
    with pytest.raises(DocumentError, match=r"^The PDF has no pages; export it again\.$") as caught:
        page_sizes(PdfFile(path))
    assert caught.value.quarantine_reason is Reason.CORRUPT
