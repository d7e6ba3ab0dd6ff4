"""Writes the JSON file of a document's predictions page by page, and recognises whether people changed it since.

It is BadgerDoc's format with one more field at the end, which names the model and the PDF and has the SHA-256 of
everything before it: if that does not fit, people have corrected the file.
"""

import enum
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from training.badgerdoc.document import Page
from training.badgerdoc.writer import DocumentWriter, split_last_field

VERSION = 2  # raise it when pages or tables are made in another way, so that documents are predicted again
_FIELD = "prediction"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything that decides a prediction."""

    pdf_sha256: str
    model_sha256: str
    config_sha256: str
    dpi: int
    score: float
    version: int = VERSION

    @property
    def key(self) -> str:
        """The SHA-256 of all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Found(enum.Enum):
    """What is found where a prediction would be written."""

    SAME = enum.auto()  # the same prediction that would be made
    OTHER = enum.auto()  # a prediction from another PDF, model or option, which nobody has changed
    CHANGED = enum.auto()  # people's work: a prediction that somebody has changed, or no prediction at all


class PredictionFile:
    """Writes the file, as a context manager; the file is complete after the block."""

    def __init__(self, path: Path, doc_name: str, origin: Origin, *, model_uri: str) -> None:
        self._path = path
        self._doc_name = doc_name
        self._origin = origin
        self._model_uri = model_uri
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        self._document = DocumentWriter(self._write, self._doc_name)
        return self

    def add(self, page: Page) -> None:
        """Writes the next page."""
        self._document.add(page)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            record = {
                "key": self._origin.key,
                "model": self._model_uri,
                "modelSha256": self._origin.model_sha256,
                "pdfSha256": self._origin.pdf_sha256,
                "dpi": self._origin.dpi,
                "score": self._origin.score,
                "contentSha256": self._digest.hexdigest(),
            }
            self._document.end(_FIELD, record)
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


def recognise(data: bytes, origin: Origin) -> Found:
    """Compares a file's content `data` with the prediction that `origin` would give."""
    content, record = split_last_field(data, _FIELD)
    if not isinstance(record, dict) or record.get("contentSha256") != hashlib.sha256(content).hexdigest():
        return Found.CHANGED
    return Found.SAME if record.get("key") == origin.key else Found.OTHER
