"""A prepared document and its record, a JSON Lines file from which the dataset is assembled."""

import base64
import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from training.camel_model import CamelModel
from training.dataset.manifest import InputDigest, Sha256
from training.geometry import Box
from training.labels.categories import CATEGORIES
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.labels.remark import Remark


@dataclass(frozen=True)
class PreparedPage:
    """A page's image and labels; `number` counts from 0 as `page_num` does."""

    number: int
    labelled: LabelledPage
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class PreparedDocument:
    """A document that was not quarantined. Pages are sorted by number; `key` is its record's, from `record_key`."""

    name: str
    key: str
    digest: InputDigest
    pages: tuple[PreparedPage, ...]

    @property
    def classes(self) -> frozenset[str]:
        """Names of the categories that its labels have."""
        return frozenset(CATEGORIES[box.category] for page in self.pages for box in page.labelled.boxes)


class _Line(CamelModel):
    def to_line(self) -> bytes:
        """The line of the record, as bytes."""
        return self.model_dump_json(by_alias=True).encode() + b"\n"


class _Head(_Line):
    """A record's first line: the document and its files; `key` covers the parameters, too; `pages` lines follow."""

    version: Literal[1] = 1
    kind: Literal["Document"] = "Document"
    key: str
    name: str
    pdf_sha256: Sha256
    json_sha256: Sha256
    pages: int


class _RemarkRecord(CamelModel):
    """What is odd about the page; `box` is left, top, right, bottom in pixels of the image."""

    kind: str
    message: str
    box: Box | None


class PageRecord(_Line):
    """A page's line; `boxes` has each label's category, left, top, width and height, flat, in pixels of the image."""

    number: int
    file_name: str
    width: int
    height: int
    size_bytes: int
    sha256: Sha256
    boxes: tuple[int, ...]
    remarks: tuple[_RemarkRecord, ...]
    thumbnail: str  # a JPEG of the page with its labels, in Base64, for the review page

    @classmethod
    def of(cls, page: PreparedPage, thumbnail: bytes) -> "PageRecord":
        """The record of a page; `thumbnail` is a JPEG."""
        return cls(
            number=page.number,
            file_name=page.labelled.file_name,
            width=page.labelled.width,
            height=page.labelled.height,
            size_bytes=page.size_bytes,
            sha256=page.sha256,
            boxes=tuple(number for box in page.labelled.boxes for number in box),
            remarks=tuple(_RemarkRecord(**remark._asdict()) for remark in page.labelled.remarks),
            thumbnail=base64.b64encode(thumbnail).decode(),
        )

    def prepared(self) -> PreparedPage:
        """The page without its thumbnail."""
        boxes = PackedBoxes.of_numbers(array("i", self.boxes))
        remarks = tuple(Remark(remark.kind, remark.message, remark.box) for remark in self.remarks)
        labelled = LabelledPage(self.file_name, self.width, self.height, boxes, remarks)
        return PreparedPage(self.number, labelled, self.size_bytes, self.sha256)


def record_key(name: str, digest: InputDigest, page_parameters: Mapping[str, Any]) -> str:
    """The key of a document's record: the SHA-256 of everything that decides the document's pages."""
    content = [name, digest.pdf_sha256, digest.json_sha256, dict(page_parameters)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_record(path: Path, document: PreparedDocument, page_lines: Iterable[Path]) -> None:
    """Writes the record of `document`; the files `page_lines` hold the lines of its pages, in order."""
    head = _Head(
        key=document.key,
        name=document.name,
        pdf_sha256=document.digest.pdf_sha256,
        json_sha256=document.digest.json_sha256,
        pages=len(document.pages),
    )
    with path.open("wb") as file:
        file.write(head.to_line())
        for path_of_lines in page_lines:
            file.write(path_of_lines.read_bytes())


def read_record(path: Path) -> PreparedDocument | None:
    """Reads a record; None if the file is no record of this version or is incomplete."""
    try:
        with path.open("rb") as file:
            head = _Head.model_validate_json(file.readline())
            pages = tuple(PageRecord.model_validate_json(line).prepared() for line in file)
    except ValidationError:
        return None
    if len(pages) != head.pages:
        return None
    return PreparedDocument(head.name, head.key, InputDigest(head.pdf_sha256, head.json_sha256), pages)


def read_pages(path: Path) -> Iterator[PageRecord]:
    """The pages of a record that `read_record` has accepted, with their thumbnails."""
    with path.open("rb") as file:
        file.readline()
        for line in file:
            yield PageRecord.model_validate_json(line)


class RecordFolder:
    """A local folder of records, which accepts any document name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def path(self, name: str) -> Path:
        """The file for the record of the document `name`; it need not exist."""
        return self._folder / hashlib.sha256(name.encode()).hexdigest()
