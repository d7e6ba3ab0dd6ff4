"""Which PDFs a path names."""

import unicodedata
from pathlib import Path

import pytest

from training.errors import DataError, NotFound
from training.infer.pdfs import find_pdfs, name_documents


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"%PDF")
    return folder


@pytest.mark.parametrize(
    ("files", "source", "keys"),
    [
        (["a.pdf", "b.pdf"], "a.pdf", ["a.pdf"]),
        (["a.pdf", "b.PDF", "notes.txt", "deeper/c.pdf"], "", ["a.pdf", "b.PDF"]),
        (["pdfs/a.pdf", "pdfs/deeper/b.pdf", "json/a.json", "c.pdf"], "", ["pdfs/a.pdf"]),
        (["pdfs/a.pdf"], "pdfs", ["a.pdf"]),
        (["scans.pdf/a.pdf"], "scans.pdf", ["a.pdf"]),
    ],
    ids=["one PDF", "a folder", "a folder with pdfs/", "the pdfs/ of one", "a folder named as a PDF"],
)
def test_a_pdf_or_the_pdfs_of_a_folder_are_found(
    tmp_path: Path, files: list[str], source: str, keys: list[str]
) -> None:
    found = find_pdfs(str(make(tmp_path, *files) / source))
    assert [document.key for document in found.documents] == keys
    assert not found.unusable


def test_a_relative_path_is_taken_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path, "a.pdf"))
    assert [document.name for document in find_pdfs("a.pdf").documents] == ["a"]


@pytest.mark.parametrize(
    ("source", "error", "sentence"),
    [
        ("absent.pdf", NotFound, r"absent\.pdf does not exist; check the path"),
        ("absent", NotFound, "The folder .*absent does not exist; check the path"),
        ("empty", DataError, "There is no PDF in .*empty, nor in its pdfs/; name a PDF or a folder of PDFs"),
    ],
)
def test_where_there_is_no_pdf_a_sentence_says_so(
    tmp_path: Path, source: str, error: type[Exception], sentence: str
) -> None:
    make(tmp_path, "empty/readme.txt")
    with pytest.raises(error, match=sentence):
        find_pdfs(str(tmp_path / source))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (["pdfs/a.pdf", "pdfs/a.PDF"], "The name 'a' is that of several PDFs (pdfs/a.pdf, pdfs/a.PDF); rename them."),
        (["a\nb.pdf"], "The name 'a\\\\nb' is empty, holds control characters or is no Unicode; rename the PDF."),
        (["...pdf"], "The name '..' is empty, holds control characters or is no Unicode; rename the PDF."),
    ],
)
def test_a_name_that_is_not_of_one_document_makes_it_unusable_and_says_why(keys: list[str], sentence: str) -> None:
    documents, unusable = name_documents([*keys, "good.pdf"])
    assert [document.name for document in documents] == ["good"]
    assert [document.message for document in unusable] == [sentence]


def test_names_are_composed_unicode_and_files_are_named_by_them_with_the_suffix_as_it_was() -> None:
    (document,), _ = name_documents([unicodedata.normalize("NFD", "größe.PDF")])
    assert document.name == unicodedata.normalize("NFC", "größe")
    assert document.file_name == unicodedata.normalize("NFC", "größe.PDF")


def test_a_name_that_is_too_long_for_files_is_cut_for_them() -> None:
    (document,), _ = name_documents(["東" * 80 + ".pdf"])
    assert len(document.file_name.encode()) <= 204
    assert document.file_name.endswith(".pdf")
