"""Finds the documents of a source: a folder or an S3 prefix with `pdfs/` and `json/`."""

from collections.abc import Callable

from training.badgerdoc.corpus import Pairing, pair_documents
from training.documents.names import JSON_FOLDER, PDF_FOLDER
from training.errors import NotFound
from training.storage.base import Storage
from training.storage.local import LocalStorage


def find_documents(source: Storage, *, is_output: Callable[[str], bool]) -> Pairing:
    """Pairs the files of `source`, except those whose key `is_output`: what preprocess may have written there.

    Raises NotFound for a folder that does not exist, and what the storage raises.
    """
    if isinstance(source, LocalStorage) and not source.root.is_dir():
        raise NotFound(f"The source folder {source.uri()} does not exist; check its name.")
    found = [item for folder in (PDF_FOLDER, JSON_FOLDER) for item in source.list_objects(folder)]
    return pair_documents(item for item in found if not is_output(item.key))
