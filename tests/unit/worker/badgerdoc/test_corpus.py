"""Files -> documents: which pair, and what is said of the others."""

import pytest

from training.badgerdoc.corpus import check_pairs, pair_documents
from training.documents.names import MAX_FILE_STEM_BYTES, file_stem
from training.documents.quarantine import Reason
from training.errors import DataError
from training.storage.base import StoredObject

SOURCE = "s3://tables/demo"


def objects(*keys: str) -> list[StoredObject]:
    return [StoredObject(key, 1) for key in keys]


def test_files_pair_by_stem_whatever_the_case_of_the_extension_and_the_form_of_accents() -> None:
    found = pair_documents(
        objects("pdfs/a.PDF", "json/a.json", "pdfs/e\u0301.pdf", "json/\u00e9.Json", "pdfs/c.pdf", "json/d.json")
    )
    assert [pair.name for pair in found.pairs] == ["a", "\u00e9"]
    assert [(document.name, document.reason) for document in found.quarantined] == [
        ("c", Reason.NO_JSON),
        ("d", Reason.NO_PDF),
    ]
    assert "json/c.json" in found.quarantined[0].message


def test_names_that_differ_in_case_only_are_two_documents() -> None:
    found = pair_documents(objects("pdfs/A.pdf", "json/A.json", "pdfs/a.pdf", "json/a.json"))
    assert [pair.name for pair in found.pairs] == ["A", "a"]


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (["pdfs/a.pdf", "pdfs/a.PDF", "json/a.json"], "a"),
        (["pdfs/a.pdf", "json/a.json", "json/a.JSON"], "a"),
        (["pdfs/..pdf", "json/..json"], "."),
        (["pdfs/line\nbreak.pdf", "json/line\nbreak.json"], "line\\nbreak"),
        (["pdfs/\udcff.pdf", "json/\udcff.json"], "\\udcff"),
    ],
)
def test_a_name_that_cannot_be_used_is_quarantined(keys: list[str], name: str) -> None:
    found = pair_documents(objects(*keys, "pdfs/b.pdf", "json/b.json"))
    assert [pair.name for pair in found.pairs] == ["b"]
    [document] = found.quarantined
    assert (document.name, document.reason) == (name, Reason.AMBIGUOUS_NAME)
    assert "rename" in document.message


def test_every_other_file_is_named() -> None:
    keys = objects("pdfs/a.pdf", "json/a.json", "pdfs/scan.tiff", "pdfs/sub/b.pdf", "json/.DS_Store", "json/\udcff.txt")
    assert pair_documents(keys).ignored == ("json/.DS_Store", "json/\\udcff.txt", "pdfs/scan.tiff", "pdfs/sub/b.pdf")


@pytest.mark.parametrize("keys", [[], ["pdfs/a.pdf"], ["pdfs/a.pdf", "json/b.json"]])
def test_nothing_that_pairs_is_an_error(keys: list[str]) -> None:
    with pytest.raises(DataError, match="No document to prepare in s3://tables/demo"):
        check_pairs(pair_documents(objects(*keys)), SOURCE)


@pytest.mark.parametrize(
    "name", ["a" * 199 + "b", "a" * 199 + "c", "\u6771" * 200, "\u6771" * 199 + "x", "\u6771" * 201]
)
def test_a_long_name_gives_a_file_name_of_its_own_that_file_systems_take(name: str) -> None:
    stem = file_stem(name)
    assert len(stem.encode()) <= MAX_FILE_STEM_BYTES
    assert stem.startswith(name[:40])
    assert file_stem(name + "!") != stem
