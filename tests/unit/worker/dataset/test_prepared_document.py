"""A document's record: what it says, what it stands for, and what is none."""

from array import array
from pathlib import Path

import pytest

from training.dataset.manifest import InputDigest
from training.dataset.prepared_document import (
    PageRecord,
    PreparedDocument,
    PreparedPage,
    RecordFolder,
    read_pages,
    read_record,
    record_key,
    write_record,
)
from training.geometry import Box
from training.labels.categories import CELL, TABLE
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.labels.remark import Remark, RemarkKind

A, B = "a" * 64, "b" * 64
BOXES = array("i", [TABLE, 1, 2, 30, 40, CELL, 5, 6, 7, 8])
REMARKS = (
    Remark(RemarkKind.TEXT_DIFFERS, "The cell at (5, 6) holds 'a' instead of 'ü'.", Box(5, 6, 12.5, 14)),
    Remark(RemarkKind.PLACEHOLDER, "Page 0 asks for another program."),
)
PAGES = tuple(
    PreparedPage(
        number, LabelledPage(f"ü_{number}.jpg", 100, 200, PackedBoxes.of_numbers(BOXES), remarks), 10 + number, A
    )
    for number, remarks in ((0, REMARKS), (3, ()))
)
DOCUMENT = PreparedDocument('ü "x"\n', "key", InputDigest(A, B), PAGES)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    parts = []
    for page in PAGES:
        parts.append(tmp_path / f"part-{page.number}")
        parts[-1].write_bytes(PageRecord.of(page, b"\xff\xd8").to_line())
    write_record(tmp_path / "record", DOCUMENT, parts)
    return tmp_path / "record"


def test_a_record_gives_the_document_back_and_its_thumbnails_page_by_page(record: Path) -> None:
    assert read_record(record) == DOCUMENT
    assert [page.thumbnail for page in read_pages(record)] == ["/9g=", "/9g="]
    assert DOCUMENT.classes == {"table", "Cell"}


@pytest.mark.parametrize("cut", [2, 40, 250, 400])
def test_a_record_that_was_cut_off_is_none(record: Path, cut: int) -> None:
    record.write_bytes(record.read_bytes()[:-cut])
    assert read_record(record) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"null\n"])
def test_anything_else_is_no_record(record: Path, content: bytes) -> None:
    record.write_bytes(content)
    assert read_record(record) is None


def test_a_record_of_another_version_is_none(record: Path) -> None:
    record.write_bytes(record.read_bytes().replace(b'"version":1', b'"version":2', 1))
    assert read_record(record) is None


def test_the_key_changes_with_all_that_decides_the_pages() -> None:
    parameters = {"dpi": 120}
    keys = [
        record_key("a", InputDigest(A, B), parameters),
        record_key("b", InputDigest(A, B), parameters),
        record_key("a", InputDigest(B, B), parameters),
        record_key("a", InputDigest(A, A), parameters),
        record_key("a", InputDigest(A, B), {"dpi": 121}),
    ]
    assert len(set(keys)) == len(keys)
    assert record_key("a", InputDigest(A, B), {"dpi": 120}) == keys[0]


def test_every_name_has_a_file_of_its_own(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path / "records")
    names = ["a", "A", "a/b", "..", "x" * 400]
    assert len({folder.path(name) for name in names}) == len(names)
    assert all(folder.path(name).parent == tmp_path / "records" for name in names)
