"""A document that was prepared, as the dataset is assembled from it. Pure."""

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
from training.labels.categories import CATEGORIES
from training.labels.labelled_page import LabelledPage, PackedBoxes


@dataclass(frozen=True)
class PreparedPage:
    """A page's image and labels; `number` counts from 0 as `page_num` does."""

    number: int
    labelled: LabelledPage
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class PreparedDocument:
    """A document that went well. Pages are in the order of their numbers; `key` is that of its record."""

    name: str
    key: str
    digest: InputDigest
    pages: tuple[PreparedPage, ...]

    @property
    def classes(self) -> frozenset[str]:
        """Names of the classes that occur in it."""
        return frozenset(CATEGORIES[box.category] for page in self.pages for box in page.labelled.boxes)


class _Line(CamelModel):
    def to_line(self) -> bytes:
        """The line of the file."""
        return self.model_dump_json(by_alias=True).encode() + b"\n"


class _Head(_Line):
    """Which document this is, from which files and parameters; `pages` is the number of lines that follow."""

    version: Literal[1] = 1
    kind: Literal["Document"] = "Document"
    key: str
    name: str
    pdf_sha256: Sha256
    json_sha256: Sha256
    pages: int


class PageRecord(_Line):
    """A page; `boxes` holds category, left, top, width and height of each label in turn, in pixels of the image."""

    number: int
    file_name: str
    width: int
    height: int
    size_bytes: int
    sha256: Sha256
    boxes: tuple[int, ...]
    thumbnail: str  # a JPEG of the page with its labels, in Base64, for the review page

    @classmethod
    def of(cls, page: PreparedPage, thumbnail: bytes) -> "PageRecord":
        """The record of a page."""
        return cls(
            number=page.number,
            file_name=page.labelled.file_name,
            width=page.labelled.width,
            height=page.labelled.height,
            size_bytes=page.size_bytes,
            sha256=page.sha256,
            boxes=tuple(number for box in page.labelled.boxes for number in box),
            thumbnail=base64.b64encode(thumbnail).decode(),
        )

    def prepared(self) -> PreparedPage:
        """The page without its thumbnail."""
        labelled = LabelledPage(self.file_name, self.width, self.height, PackedBoxes.of_numbers(array("i", self.boxes)))
        return PreparedPage(self.number, labelled, self.size_bytes, self.sha256)


def record_key(name: str, digest: InputDigest, page_parameters: Mapping[str, Any]) -> str:
    """The key of a document with these files: the SHA-256 of everything that decides its pages."""
    content = [name, digest.pdf_sha256, digest.json_sha256, dict(page_parameters)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_record(path: Path, document: PreparedDocument, page_lines: Iterable[Path]) -> None:
    """Writes the record of `document`, whose pages' lines are in the files `page_lines`, in order."""
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
    """The document of a record; None for a file that is none of this version, or not whole."""
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
    """Every document's record as a local file, whatever the document's name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the record of the document `name` is, or is to be written."""
        return self._folder / hashlib.sha256(name.encode()).hexdigest()
