"""The documents of a folder."""

from pathlib import Path

import pytest

from training.badgerdoc.source import find_documents
from training.dataset.layout import is_ours
from training.errors import NotFound
from training.storage.local import LocalStorage


def test_what_preprocess_wrote_there_is_neither_a_document_nor_named(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    keys = ("pdfs/a.pdf", "json/a.json", "pdfs/a/draw_ann/0.jpg", "pdfs/a/record.jsonl", "pdfs/scan.tiff", "notes.txt")
    for key in keys:
        storage.write_bytes(key, b"")
    found = find_documents(storage, is_output=is_ours)
    assert [pair.name for pair in found.pairs] == ["a"]
    assert found.ignored == ("pdfs/scan.tiff",)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent does not exist"):
        find_documents(LocalStorage(tmp_path / "absent"), is_output=is_ours)
