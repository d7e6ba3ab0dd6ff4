"""Finds the PDFs to predict: one PDF, or those of a folder. Pure, except that it lists the storage."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.documents.names import PDF_FOLDER, document_name, escaped, file_stem, is_blank, is_writable
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import DataError, NotFound
from training.storage.base import Storage
from training.storage.local import LocalStorage
from training.storage.uri import open_parent, open_storage

SUFFIX = ".pdf"


@dataclass(frozen=True)
class PdfDocument:
    """A PDF by its key in the source; `name` is the file's name without the suffix, in composed Unicode (NFC)."""

    name: str
    key: str

    @property
    def file_stem(self) -> str:
        """The start of its files' names in the output: the name, or if that is too long, its beginning and a hash."""
        return file_stem(self.name)

    @property
    def file_name(self) -> str:
        """The PDF's file name in the output, with the suffix spelt as in the source."""
        return self.file_stem + self.key[-len(SUFFIX) :]


@dataclass(frozen=True)
class PdfSource:
    """The storage with the PDFs, the PDFs sorted by name, and the unusable PDFs with their reasons."""

    storage: Storage
    documents: tuple[PdfDocument, ...]
    unusable: tuple[QuarantinedDocument, ...]


def find_pdfs(source: str) -> PdfSource:
    """The PDF that `source` (a path or s3://) names, or the PDFs of that folder: those in its `pdfs/`, if any.

    Raises NotFound if `source` does not exist, DataError if it has no PDF, and what the storage raises.
    """
    if source.lower().endswith(SUFFIX) and not Path(source).is_dir():
        storage, key = open_parent(source if "://" in source else Path(source).absolute())
        if storage.stat(key) is None:
            raise NotFound(f"The PDF {source} does not exist; check the path.")
        keys = [key]
    else:
        storage = open_storage(source)
        if isinstance(storage, LocalStorage) and not storage.root.is_dir():
            raise NotFound(f"The folder {source} does not exist; check the path.")
        keys = _pdfs_in(storage, PDF_FOLDER) or _pdfs_in(storage, "")
        if not keys:
            raise DataError(f"There is no PDF in {source}, nor in its pdfs/; name a PDF or a folder of PDFs.")
    documents, unusable = name_documents(keys)
    return PdfSource(storage, tuple(documents), tuple(unusable))


def name_documents(keys: Iterable[str]) -> tuple[list[PdfDocument], list[QuarantinedDocument]]:
    """The documents sorted by name, and those whose name is invalid or belongs to several PDFs."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_name[document_name(key.rpartition("/")[2], SUFFIX)].append(key)
    documents, unusable = [], []
    for name, same in sorted(by_name.items()):
        if not is_writable(name) or is_blank(name):
            shown = escaped(name)
            message = f"The name {shown!r} is empty, holds control characters or is no Unicode; rename the PDF."
            unusable.append(QuarantinedDocument(shown, Reason.AMBIGUOUS_NAME, message))
        elif len(same) > 1:
            message = f"The name {name!r} is that of several PDFs ({', '.join(same)}); rename them."
            unusable.append(QuarantinedDocument(name, Reason.AMBIGUOUS_NAME, message))
        else:
            documents.append(PdfDocument(name, same[0]))
    return documents, unusable


def _pdfs_in(storage: Storage, folder: str) -> list[str]:
    """Keys of the PDFs directly in `folder`, which ends with a slash, or is empty for the storage's root."""
    keys = (found.key for found in storage.list_objects(folder))
    return [key for key in keys if key.lower().endswith(SUFFIX) and "/" not in key.removeprefix(folder)]
