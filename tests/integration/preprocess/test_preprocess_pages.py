"""Poppler's pages and words on real PDFs, and the drawn corpus against both."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from reportlab.pdfgen.canvas import Canvas

from hack.documents.corpus import draw_corpus
from training.documents import render
from training.documents.ink import ink_box, is_blank
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument
from training.documents.rasterize import DrawnFile
from training.documents.render import RenderOptions, check_page_pixels, page_geometries, page_sizes, render_pages
from training.documents.sizes.page_geometry import PageBox
from training.documents.text_layer import page_words
from training.geometry import Box, union
from training.labels.categories import CELL, LabelledBox
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk

pytestmark = pytest.mark.integration

WORD = "Hello"
PAGE = (595.276, 841.89)


@pytest.fixture
def one_word(tmp_path: Path) -> Path:
    path = tmp_path / "word.pdf"
    canvas = Canvas(str(path), pagesize=PAGE, invariant=1)
    canvas.setFont("Helvetica", 30)
    canvas.drawString(100, 600, WORD)
    canvas.save()
    return path


def prepare(folder: Path, pdf: Path, json_path: Path) -> PreparedChunk | QuarantinedDocument:
    folder.mkdir(parents=True)
    return prepare_chunk(DocumentTask(pdf.stem, PdfFile(pdf), json_path, folder, PageOptions()), 0)


def boxes(result: PreparedChunk | QuarantinedDocument) -> list[list[LabelledBox]]:
    assert isinstance(result, PreparedChunk), result
    return [list(page.labelled.boxes) for page in result.pages]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("media", [None, (50, 60, 500, 800), (-20, -30, 700, 900)])
@pytest.mark.parametrize("crop", [None, (90, 100, 400, 750)])
@pytest.mark.parametrize("drawn", list(PageBox))
def test_words_lie_where_the_ink_is_on_turned_cropped_and_shifted_pages(
    one_word: Path,
    tmp_path: Path,
    *,
    rotation: int,
    media: tuple[int, ...] | None,
    crop: tuple[int, ...] | None,
    drawn: PageBox,
) -> None:
    page = PdfReader(one_word).pages[0]
    page.rotate(rotation)
    if media:
        page.mediabox = RectangleObject(media)
    if crop:
        page.cropbox = RectangleObject(crop)
    writer = PdfWriter()
    writer.add_page(page)
    pdf = tmp_path / "changed.pdf"
    writer.write(pdf)

    sizes = [geometry.size(drawn) for geometry in page_geometries(PdfFile(pdf))]
    [rendered] = render_pages(PdfFile(pdf), [0], sizes, RenderOptions(), folder=tmp_path)
    [(word, _)] = page_words(PdfFile(pdf), [0], sizes, RenderOptions())[0]
    with Image.open(rendered.path) as image:
        ink = ink_box(image.convert("L"), Box(0, 0, *image.size))
    assert ink is not None
    assert word.intersection(ink).area > 0.9 * ink.area  # by the font's measures, not its outlines
    assert ink.area > 0.5 * word.area


def test_only_the_pages_that_are_asked_for_are_drawn_in_order(tmp_path: Path) -> None:
    path = tmp_path / "many.pdf"
    canvas = Canvas(str(path), invariant=1)
    for number in range(45):
        canvas.setPageSize((100 + number, 200))
        canvas.drawString(10, 10, f"page{number}")
        canvas.showPage()
    canvas.save()
    numbers = [0, 1, 2, *range(9, 40), 44]
    rendered = list(render_pages(PdfFile(path), numbers, page_sizes(PdfFile(path)), RenderOptions(72), folder=tmp_path))
    assert [page.number for page in rendered] == numbers
    assert [page.width for page in rendered] == [100 + number for number in numbers]
    assert sorted(page_words(PdfFile(path), numbers, page_sizes(PdfFile(path)), RenderOptions(72))) == numbers


def test_a_page_that_would_take_gigabytes_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "huge.pdf"
    canvas = Canvas(str(path), pagesize=(14400, 14400))
    canvas.showPage()
    canvas.save()
    with pytest.raises(DocumentError, match="24000 x 24000 pixels at 120 dpi") as caught:
        check_page_pixels(page_sizes(PdfFile(path)), [0], RenderOptions(120))
    assert caught.value.quarantine_reason == "too_large"


@pytest.mark.parametrize(("content", "reason"), [(b"", "corrupt"), (b"%PDF-1.4\nnonsense", "corrupt")])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        page_sizes(PdfFile(path))
    assert caught.value.quarantine_reason == reason


def test_a_password_is_told_from_damage_and_an_owner_password_is_no_hindrance(one_word: Path, tmp_path: Path) -> None:
    for user_password, name in (("secret", "locked.pdf"), ("", "owned.pdf")):
        writer = PdfWriter(clone_from=PdfReader(one_word))
        writer.encrypt(user_password, "owner")
        writer.write(tmp_path / name)
    with pytest.raises(DocumentError) as caught:
        page_sizes(PdfFile(tmp_path / "locked.pdf"))
    assert caught.value.quarantine_reason == "encrypted"
    assert len(page_sizes(PdfFile(tmp_path / "owned.pdf"))) == 1


def test_a_renderer_that_draws_too_few_or_too_small_pages_is_noticed(
    one_word: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = page_sizes(PdfFile(one_word))
    monkeypatch.setattr(render, "_render_run", lambda *_, **__: [])
    with pytest.raises(DocumentError, match="Page 0 could not be drawn"):
        list(render_pages(PdfFile(one_word), [0], sizes, RenderOptions(72), folder=tmp_path))
    Image.new("RGB", (1, 1)).save(tmp_path / "tiny.jpg")
    monkeypatch.setattr(render, "_render_run", lambda *_, **__: [DrawnFile(tmp_path / "tiny.jpg")])
    with pytest.raises(DocumentError, match="1 x 1 pixels"):
        list(render_pages(PdfFile(one_word), [0], sizes, RenderOptions(72), folder=tmp_path))


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pdfinfo"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(render, "PROGRAM_TIMEOUT_S", 0.3)
    with pytest.raises(DocumentError) as caught:
        page_sizes(PdfFile(tmp_path / "x.pdf"))
    assert caught.value.quarantine_reason == "timeout"


def test_the_same_seed_draws_the_same_corpus_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        draw_corpus(tmp_path / name, documents=3, seed=seed)
    content = {name: [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))] for name in ("a", "b", "c")}
    assert content["a"] == content["b"]
    assert content["a"] != content["c"]


def test_the_words_of_every_drawn_cell_lie_in_it_and_nowhere_else(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=12, seed=7, pages=2)
    cells = 0
    for path in sorted((tmp_path / "json").glob("*.json")):
        pdf = tmp_path / "pdfs" / f"{path.stem}.pdf"
        words = _words_with_text(pdf)
        sizes = page_sizes(PdfFile(pdf))
        for page in json.loads(path.read_text())["pages"]:
            size = (page["bbox"]["width"], page["bbox"]["height"])
            assert size == sizes[page["page_num"]].pixels(120)
            for block in page["blocks"]:
                for cell in (*block.get("header", []), *block.get("cells", [])):
                    place = _box(cell["bbox"])
                    inside = [text for text, box in words[page["page_num"]] if _is_in(box, place)]
                    assert inside == cell["text"].split(), (path.stem, page["page_num"], cell)
                    cells += 1
    assert cells > 500


def test_coordinates_at_another_resolution_give_the_same_labels(tmp_path: Path) -> None:
    found = {}
    for dpi in (120, 400):
        draw_corpus(tmp_path / str(dpi), documents=1, seed=12, pages=2, dpi=dpi)
        [pdf], [annotations] = (sorted((tmp_path / str(dpi) / kind).iterdir()) for kind in ("pdfs", "json"))
        found[dpi] = boxes(prepare(tmp_path / f"out-{dpi}", pdf, annotations))
    for first, second in zip(*found.values(), strict=True):
        assert len(first) == len(second) > 10
        for one, other in zip(first, second, strict=True):
            assert one.category == other.category
            assert max(abs(a - b) for a, b in zip(_edges(one), _edges(other), strict=True)) <= 2, (one, other)


def test_a_scanned_page_gives_the_cells_that_its_text_layer_would(tmp_path: Path) -> None:
    draw_corpus(tmp_path / "corpus", documents=6, seed=5, pages=1)
    compared = 0
    for annotations in sorted((tmp_path / "corpus/json").iterdir()):
        pdf = tmp_path / "corpus/pdfs" / f"{annotations.stem}.pdf"
        typed = boxes(prepare(tmp_path / f"typed-{pdf.stem}", pdf, annotations))[0]
        scan = tmp_path / f"{pdf.stem}.pdf"
        [page] = render_pages(PdfFile(pdf), [0], page_sizes(PdfFile(pdf)), RenderOptions(240), folder=tmp_path)
        with Image.open(page.path) as image:
            image.save(scan, "PDF", resolution=240)
        scanned = boxes(prepare(tmp_path / f"scanned-{pdf.stem}", scan, annotations))[0]
        assert [box.category for box in scanned] == [box.category for box in typed]
        for one, other in zip(typed, scanned, strict=True):
            if one.category == CELL:
                # Ink is the letters alone, a word's box has the font's full height.
                assert abs(one.left - other.left) <= 4, (one, other)
                assert abs(one.width - other.width) <= 6, (one, other)
                assert one.top - 4 <= other.top <= one.top + one.height, (one, other)
                compared += 1
    assert compared > 100


def test_ruling_lines_are_no_ink_and_light_text_on_dark_is() -> None:
    page = Image.new("L", (300, 100), 255)
    canvas = ImageDraw.Draw(page)
    canvas.rectangle((10, 10, 110, 60), outline=0, width=2)
    assert ink_box(page, Box(10, 10, 111, 61)) is None
    canvas.rectangle((40, 30, 59, 39), fill=0)
    assert ink_box(page, Box(10, 10, 111, 61)) == Box(40, 30, 60, 40)
    canvas.rectangle((150, 10, 250, 60), fill=20)
    canvas.rectangle((180, 30, 199, 39), fill=240)
    assert ink_box(page, Box(152, 12, 249, 59)) == Box(180, 30, 200, 40)
    assert ink_box(page, Box(260, 10, 290, 60)) is None
    assert ink_box(page, Box(400, 10, 500, 60)) is None
    assert is_blank(Image.new("L", (9, 9), 200))
    assert not is_blank(page)


def test_a_table_on_a_page_that_was_drawn_blank_quarantines_the_document(tmp_path: Path) -> None:
    path = tmp_path / "blank.pdf"
    canvas = Canvas(str(path), pagesize=PAGE)
    canvas.showPage()
    canvas.save()
    box = {"left": 0, "top": 0, "width": 993, "height": 1404}
    block = {"type": "table", "bbox": {"left": 9, "top": 9, "width": 99, "height": 99}}
    (tmp_path / "blank.json").write_text(json.dumps({"pages": [{"page_num": 0, "bbox": box, "blocks": [block]}]}))
    result = prepare(tmp_path / "out", path, tmp_path / "blank.json")
    assert isinstance(result, QuarantinedDocument)
    assert result.reason == "corrupt"


def _words_with_text(pdf: Path) -> list[list[tuple[str, Box]]]:
    """Words in reading order with their boxes at 120 dpi, by a second reader than the one under test."""
    command = ["pdftotext", "-bbox", str(pdf), "-"]
    pages: list[list[tuple[str, Box]]] = []
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if line.startswith("  <page"):
            pages.append([])
        elif line.startswith("    <word"):
            edges = [float(part) * 120 / 72 for part in line.split('"')[1::2]]
            pages[-1].append((line.partition(">")[2].removesuffix("</word>"), Box(*edges)))
    return pages


def _box(box: dict[str, Any]) -> Box:
    return Box(box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"])


def _edges(box: LabelledBox) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width, box.top + box.height


def _is_in(word: Box, cell: Box) -> bool:
    """Whether the word touches the cell; one that does must lie in it but for a pixel."""
    touches = not word.intersection(cell).is_empty
    if touches:
        assert union([word, cell]) == cell or union([word, cell]).area < cell.area * 1.1, (word, cell)
    return touches


def test_the_texts_of_a_page_are_those_of_its_words_as_they_are_read(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "texts.pdf"), pagesize=PAGE)
    for index, text in enumerate(["a<b", "R&D", '"quoted"', "&lt;", "größe"]):
        canvas.drawString(100, 700 - 40 * index, text)
    # Twice in one place, as some programs draw bold.
    for _ in range(2):
        canvas.drawString(300, 700, "bold")
    canvas.showPage()
    canvas.showPage()
    canvas.save()
    pdf, options = PdfFile(tmp_path / "texts.pdf"), RenderOptions()
    words = page_words(pdf, [0, 1], page_sizes(pdf), options)
    assert sorted(word.text for word in words[0]) == sorted(["a<b", "R&D", '"quoted"', "&lt;", "größe", "bold"])
    assert words[1] == []
