"""The dataset's manifest, `ttv/manifest.json`: what the dataset holds and what it was made from. Pure.

It is written last, which makes it the commit point: without it the folder is no dataset, and with it every file must
have the size and SHA-256 that it names. It holds no timestamps, so the same input and parameters give the same bytes.
The format is a contract (docs/architecture.md, "The dataset in S3").
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from training.camel_model import CamelModel
from training.dataset.layout import MANIFEST_NAME
from training.errors import DataError

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Category(CamelModel):
    id: int
    name: str


class SplitSummary(CamelModel):
    """Counts of one split, annotations by category name; `unlabelled` are the file names of images without labels."""

    documents: int
    images: int
    annotations: dict[str, int]
    unlabelled: tuple[str, ...] = ()


class DocumentEntry(CamelModel):
    """A prepared document; `pages` is the number of its images."""

    name: str
    split: str
    pages: int
    pdf_sha256: Sha256 = Field(alias="pdfSha256")
    json_sha256: Sha256 = Field(alias="jsonSha256")


class QuarantinedEntry(CamelModel):
    """A quarantined document, and why."""

    name: str
    reason: str
    message: str


class RemarkEntry(CamelModel):
    """How many remarks of one kind there are on a page of a document; `page` counts from 0."""

    document: str
    page: int
    kind: str
    count: int


class MoveEntry(CamelModel):
    """A document that was moved into a split which would otherwise be empty or lack one of the categories."""

    document: str
    source: str = Field(alias="from")
    target: str = Field(alias="to")


class LeakEntry(CamelModel):
    """The same PDF, or the same page with labels, in more than one split."""

    sha256: Sha256
    documents: tuple[str, ...]
    splits: tuple[str, ...]


class FileEntry(CamelModel):
    """A file of the dataset; `path` is relative to `ttv/`."""

    path: str
    size_bytes: int
    sha256: Sha256


class Manifest(CamelModel):
    """The whole of `manifest.json`."""

    version: Literal[1] = 1
    kind: Literal["Dataset"] = "Dataset"
    digest: str
    input_digest: str
    parameters: dict[str, Any]
    categories: tuple[Category, ...]
    splits: dict[str, SplitSummary]
    moved: tuple[MoveEntry, ...] = ()
    leaks: tuple[LeakEntry, ...] = ()
    documents: tuple[DocumentEntry, ...]
    quarantined: tuple[QuarantinedEntry, ...] = ()
    remarks: tuple[RemarkEntry, ...] = ()
    ignored: tuple[str, ...] = ()
    files: tuple[FileEntry, ...]

    def to_json(self) -> bytes:
        """The bytes of `manifest.json`."""
        return (json.dumps(self.model_dump(by_alias=True), ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Parses it. Raises DataError if `data` is no manifest of this version or its digest does not fit its files."""
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise DataError(f"{MANIFEST_NAME} is not valid ({where}: {fault['msg']}); run preprocess again.") from None
        if manifest.digest != files_digest(manifest.files):
            raise DataError(f"{MANIFEST_NAME} was changed: its digest does not fit its files; run preprocess again.")
        return manifest


def files_digest(files: Iterable[FileEntry]) -> str:
    """`sha256:…` over the lines `<sha256>  <path>` sorted by path; it changes with any byte of the dataset."""
    lines = (f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return "sha256:" + hashlib.sha256("".join(lines).encode("utf-8", errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class InputDigest:
    """The SHA-256 of a document's two files."""

    pdf_sha256: str
    json_sha256: str


def inputs_digest(inputs: Mapping[str, InputDigest]) -> str:
    """`sha256:…` over all documents, quarantined ones included; it changes with any byte of the input."""
    lines = (f"{digest.pdf_sha256} {digest.json_sha256}  {name}\n" for name, digest in sorted(inputs.items()))
    return "sha256:" + hashlib.sha256("".join(lines).encode("utf-8", errors="surrogatepass")).hexdigest()
