"""PDFs and annotations in the frames that tools use: labels lie where the text is, or the document says why not."""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, NameObject, NumberObject

from tests.support.preprocess.command import run_preprocess
from tests.support.preprocess.drawn_frames import TABLE_PT, TEXTS, Writer, as_platform, cells_of, draw_pdf
from training.badgerdoc.writer import page_json
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason
from training.documents.render import RenderOptions, page_geometries, page_sizes
from training.documents.sizes import read_user_units
from training.documents.sizes.page_geometry import PageBox, PageGeometry
from training.documents.text_layer import page_words
from training.geometry import Box
from training.infer.tables import annotations, predict_page
from training.labels.categories import CELL, TABLE
from training.model.detections import Detection
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk

pytestmark = pytest.mark.integration
A4 = Box(0, 0, 595, 842)
SAME_SHAPE = Box(59.5, 84.2, 535.5, 757.8)
TABLE_AT = Box(0, 0, *TABLE_PT).shifted(110, 140)
PIXELS = 120 / 72


def sheet(crop: Box = A4, rotation: int = 0, media: Box = A4) -> PageGeometry:
    return PageGeometry.of_pdf(media, crop if crop != A4 else media, rotation=rotation)


def in_units(unit: float, crop: Box | None = None) -> PageGeometry:
    letter = Box(0, 0, 612 / unit, 792 / unit)
    return PageGeometry.of_pdf(letter, crop or letter, rotation=0, user_unit=unit)


@dataclass(frozen=True)
class Case:
    """Pages, and the tool that annotated them."""

    pages: Sequence[PageGeometry]
    writer: Writer
    is_platform: bool = False
    is_picture: bool = False
    box: PageBox | None = None  # stated by --frame


CASES = {
    "crop of the page's shape": Case([sheet(SAME_SHAPE)], Writer(PageBox.CROP)),
    "the same as the platform writes it": Case([sheet(SAME_SHAPE)], Writer(PageBox.CROP, dpi=72), is_platform=True),
    "the same without texts": Case([sheet(SAME_SHAPE)], Writer(PageBox.CROP, with_text=False)),
    "the same on a page without words": Case([sheet(SAME_SHAPE)], Writer(PageBox.CROP), is_picture=True),
    "crop of the page's shape, not used": Case([sheet(SAME_SHAPE)], Writer(PageBox.MEDIA)),
    "crop of another shape": Case([sheet(Box(40, 300, 555, 800))], Writer(PageBox.CROP)),
    "crop of another shape, not used": Case([sheet(Box(40, 300, 555, 800))], Writer(PageBox.MEDIA)),
    "crop too narrow to draw, not used": Case([sheet(Box(0, 400, 595, 402))], Writer(PageBox.MEDIA)),
    "crop too small to draw, not used": Case([sheet(Box(0, 0, 10, 15))], Writer(PageBox.MEDIA)),
    "small trim": Case([sheet(Box(12, 12, 583, 830))], Writer(PageBox.CROP, dpi=200)),
    "crop of one page of two": Case([sheet(), sheet(SAME_SHAPE)], Writer(PageBox.CROP)),
    **{
        f"crop of a page that is turned by {angle}": Case([sheet(SAME_SHAPE, angle)], Writer(PageBox.CROP))
        for angle in (90, 180, 270)
    },
    **{
        f"boxes of the page before it is turned by {angle}": Case([sheet(rotation=angle)], Writer(is_turned=False))
        for angle in (90, 180, 270)
    },
    "crop, and before it is turned": Case([sheet(SAME_SHAPE, 270)], Writer(PageBox.CROP, is_turned=False)),
    "one page of two is turned": Case([sheet(), sheet(rotation=90)], Writer(is_turned=False)),
    "units of an inch, pixels": Case([in_units(72)], Writer()),
    "units of an inch, points": Case([in_units(72)], Writer(dpi=72)),
    "units of an inch, units": Case([in_units(72)], Writer(dpi=1, whole_page=False)),
    "units and a crop": Case([in_units(2, Box(30, 33, 300, 370))], Writer(PageBox.CROP)),
    "units of one page of two": Case([sheet(), in_units(72)], Writer()),
    "the first page's size for all": Case(
        [sheet(media=A4.scaled(2**0.5, 2**0.5)), sheet()], Writer(of_first_page=True, dpi=72), is_platform=True
    ),
    "the first page's size for all, of another shape": Case(
        [sheet(), sheet(media=Box(0, 0, 612, 792))], Writer(of_first_page=True, dpi=72), is_platform=True
    ),
    "pages of several sizes": Case([sheet(), sheet(media=Box(0, 0, 842, 1191))], Writer(dpi=72), is_platform=True),
    "stated frame": Case([sheet(SAME_SHAPE)], Writer(PageBox.CROP, with_text=False), box=PageBox.CROP),
}


def prepare(folder: Path, case: Case) -> PreparedChunk | QuarantinedDocument:
    draw_pdf(folder / "a.pdf", case.pages, TABLE_AT, as_picture=case.is_picture)
    pages = [case.writer.page(number, case.pages, TABLE_AT) for number in range(len(case.pages))]
    content = as_platform(pages) if case.is_platform else {"pages": pages}
    return prepare_json(folder, content, PageOptions(frame=case.box))


def prepare_json(
    folder: Path, content: object, options: PageOptions | None = None
) -> PreparedChunk | QuarantinedDocument:
    (folder / "a.json").write_text(json.dumps(content))
    (folder / "out").mkdir()
    task = DocumentTask("a", PdfFile(folder / "a.pdf"), folder / "a.json", folder / "out", options or PageOptions())
    return prepare_chunk(task, 0)


def assert_labels_are_right(found: PreparedChunk | QuarantinedDocument, case: Case) -> None:
    assert isinstance(found, PreparedChunk), found
    for page, geometry in zip(found.pages, case.pages, strict=True):
        box = geometry.box(case.writer.box)
        width, height = geometry.size(case.writer.box).pixels(120)
        assert abs(page.labelled.width - width) <= 1
        assert abs(page.labelled.height - height) <= 1
        labels = list(page.labelled.boxes)
        [table] = [label for label in labels if label.category == TABLE]
        expected = TABLE_AT.shifted(-box.left, -box.top).scaled(PIXELS, PIXELS)
        edges = (table.left, table.top, table.left + table.width, table.top + table.height)
        assert max(abs(edge - other) for edge, other in zip(edges, expected, strict=True)) <= 2
        cells = [label for label in labels if label.category == CELL]
        assert len(cells) == len(TEXTS)
        for cell, place in zip(cells, cells_of(TABLE_AT), strict=True):
            x, y = (place.left + 6 - box.left) * PIXELS, (place.top + 15 - box.top) * PIXELS
            assert abs(cell.left - x) <= 3
            assert cell.top < y < cell.top + cell.height + 3


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_labels_lie_where_the_text_is_whatever_the_frame(tmp_path: Path, case: Case) -> None:
    assert_labels_are_right(prepare(tmp_path, case), case)


def test_pages_have_the_boxes_that_they_were_given(tmp_path: Path) -> None:
    pages = [sheet(SAME_SHAPE, 90), in_units(72), sheet(), in_units(2, Box(30, 33, 300, 370))]
    draw_pdf(tmp_path / "a.pdf", pages, TABLE_AT)
    for found, given in zip(page_geometries(PdfFile(tmp_path / "a.pdf")), pages, strict=True):
        assert (found.rotation, found.user_unit) == (given.rotation, given.user_unit)
        for box, other in ((found.media, given.media), (found.crop, given.crop)):
            assert (
                max(abs(edge - expected) for edge, expected in zip(box, other, strict=True)) <= 0.01 * given.user_unit
            )


@pytest.mark.parametrize("crop", [(60, -50, 595, 760), (60, 0, 620, 760), (595, 760, 60, 0)])
def test_a_crop_box_counts_as_far_as_the_page_goes(tmp_path: Path, crop: tuple[int, ...]) -> None:
    case = Case([sheet(Box(60, 0, 595, 760))], Writer(PageBox.CROP))
    draw_pdf(tmp_path / "a.pdf", [sheet()], TABLE_AT)
    writer = PdfWriter(clone_from=tmp_path / "a.pdf")
    writer.pages[0][NameObject("/CropBox")] = ArrayObject(map(NumberObject, crop))
    writer.write(tmp_path / "a.pdf")
    assert_labels_are_right(prepare_json(tmp_path, {"pages": [case.writer.page(0, case.pages, TABLE_AT)]}), case)


def test_a_crop_box_that_poppler_draws_otherwise_than_viewers_show_it_is_set_aside(tmp_path: Path) -> None:
    """It takes one that is wider than the page to begin where the page does."""
    crop = Box(60, 0, 595, 760)
    page = Writer(PageBox.CROP, with_text=False).page(0, [sheet(crop)], TABLE_AT)
    draw_pdf(tmp_path / "a.pdf", [sheet(Box(60, -50, 700, 760))], TABLE_AT)
    found = prepare_json(tmp_path, {"pages": [page]})
    assert isinstance(found, QuarantinedDocument)
    assert "as MediaBox 595 x 842 pt, as CropBox 595 x 760 pt" in found.message


def test_a_crop_box_beside_the_page_is_none(tmp_path: Path) -> None:
    draw_pdf(tmp_path / "a.pdf", [sheet(Box(700, 900, 800, 1000))], TABLE_AT)
    [found] = page_geometries(PdfFile(tmp_path / "a.pdf"))
    assert found.crop == found.media == A4


def compressed_pdf(filters: bytes = b"/Filter /FlateDecode") -> bytes:
    """A PDF of one page, 8.5 x 11 units of an inch, whose objects are in an object stream."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 8.5 11] /UserUnit 72 >>",
    ]
    offsets = [sum(len(item) + 1 for item in objects[:number]) for number in range(len(objects))]
    index = b" ".join(b"%d %d" % (number + 1, offset) for number, offset in enumerate(offsets)) + b" "
    body = index + b" ".join(objects)
    packed = zlib.compress(body) if filters else body
    start = b"%PDF-1.5\n"
    head = b"4 0 obj\n<< /Type /ObjStm /N 3 /First %d /Length %d %s >>\nstream\n" % (len(index), len(packed), filters)
    stream = head + packed + b"\nendstream\nendobj\n"
    rows = [(0, 0, 255), *((2, 4, number) for number in range(3)), (1, len(start), 0), (1, len(start + stream), 0)]
    table = b"".join(struct.pack(">BIB", *row) for row in rows)
    end = b"5 0 obj\n<< /Type /XRef /Size 6 /W [1 4 1] /Root 1 0 R /Length %d >>\nstream\n" % len(table)
    return start + stream + end + table + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(start + stream)


@pytest.mark.parametrize("filters", [b"/Filter /FlateDecode", b""])
def test_units_in_an_object_stream_are_read(tmp_path: Path, filters: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(compressed_pdf(filters))
    [found] = page_geometries(PdfFile(path))
    assert (found.user_unit, found.media) == (72, Box(0, 0, 612, 792))


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256-R5", "AES-256"])
@pytest.mark.parametrize("password", [None, "secret"])
def test_units_in_an_encrypted_file_are_read(tmp_path: Path, password: str | None, algorithm: str) -> None:
    draw_pdf(tmp_path / "plain.pdf", [in_units(72)], TABLE_AT)
    writer = PdfWriter(clone_from=tmp_path / "plain.pdf")
    writer.encrypt(password or "", "owner", algorithm=algorithm)
    writer.write(tmp_path / "a.pdf")
    [found] = page_geometries(PdfFile(tmp_path / "a.pdf", password))
    assert found.user_unit == 72


def test_a_file_that_names_units_but_cannot_be_read_for_them_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_pdf(tmp_path / "a.pdf", [in_units(72)], TABLE_AT)
    monkeypatch.setattr(read_user_units, "__file__", str(tmp_path / "absent.py"))
    with pytest.raises(DocumentError, match="units of their own") as error:
        page_geometries(PdfFile(tmp_path / "a.pdf"))
    assert error.value.quarantine_reason is Reason.CORRUPT


def test_a_file_that_cannot_be_read_for_its_units_has_points(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    draw_pdf(path, [sheet()], TABLE_AT)
    path.write_bytes(path.read_bytes() + b"\n7 0 obj\n<< /Type /ObjStm /UserUnit 72 >>\nstream\nnonsense")
    [found] = page_geometries(PdfFile(path))
    assert found.user_unit == 1


@pytest.mark.parametrize("geometry", [sheet(SAME_SHAPE), sheet(rotation=180), in_units(72)], ids=str)
@pytest.mark.parametrize("is_picture", [False, True])
def test_a_prediction_of_infer_comes_back_in_its_own_frame(
    tmp_path: Path, geometry: PageGeometry, is_picture: bool
) -> None:
    """Where nobody corrected it, its boxes are those that were detected on the MediaBox."""
    draw_pdf(tmp_path / "a.pdf", [geometry], TABLE_AT, as_picture=is_picture)
    pdf = PdfFile(tmp_path / "a.pdf")
    sizes = page_sizes(pdf)
    width, height = sizes[0].pixels(120)
    words = page_words(pdf, [0], sizes, RenderOptions())[0]
    boxes = [(TABLE, TABLE_AT), *((CELL, cell) for cell in cells_of(TABLE_AT))]
    detected = [Detection(category, 0.9, box.scaled(PIXELS, PIXELS)) for category, box in boxes]
    page = page_json(annotations(predict_page(0, width, height, detected, words)))
    found = prepare_json(tmp_path, {"pages": [page]})
    assert_labels_are_right(found, Case([geometry], Writer()))


def test_the_option_states_the_frame_and_belongs_to_the_dataset(tmp_path: Path) -> None:
    """Three documents whose content cannot tell the frame: tables without cells, on pages without text."""
    for folder in ("pdfs", "json"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        draw_pdf(tmp_path / f"pdfs/{name}.pdf", [sheet(SAME_SHAPE)], Box(0, 0, *TABLE_PT).shifted(110, 300))
        page = Writer(PageBox.CROP).page(0, [sheet(SAME_SHAPE)], Box(0, 0, *TABLE_PT).shifted(110, 900))
        page["blocks"] = [{"type": "table", "bbox": {"left": 100, "top": 4, "width": 30, "height": 9}}]
        (tmp_path / f"json/{name}.json").write_text(json.dumps({"pages": [page]}))
    common = ("--source", tmp_path, "--working_dir", tmp_path / "out", "--split", "34,33,33")
    code, output, _ = run_preprocess(*common)
    assert code == 65
    assert "as MediaBox 595 x 842 pt, as CropBox 476 x 674 pt" in output
    assert "--frame media or --frame crop" in output
    for frame, size in (("crop", (794, 1123)), ("media", (992, 1404))):
        code, output, message = run_preprocess(*common, "--frame", frame)
        assert code == 0, output
        assert message["dataset"]["documents"]["prepared"] == 3
        manifest = json.loads((tmp_path / "out/ttv/manifest.json").read_text())
        assert manifest["parameters"]["frame"] == frame
        coco = json.loads((tmp_path / "out/ttv/train/train.json").read_text())
        assert (coco["images"][0]["width"], coco["images"][0]["height"]) == size
