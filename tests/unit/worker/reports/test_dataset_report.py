"""The review page as text: what it says, in which order, and that names of others are only ever text."""

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from training.dataset.manifest import (
    Category,
    DocumentEntry,
    InputDigest,
    LeakEntry,
    Manifest,
    MoveEntry,
    QuarantinedEntry,
    SplitSummary,
)
from training.dataset.prepared_document import PageRecord, PreparedDocument, PreparedPage, RecordFolder, write_record
from training.geometry import Box
from training.labels.categories import CELL, TABLE, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.labels.remark import Remark, RemarkKind
from training.reports import contact_sheet
from training.reports.dataset_report import MAX_ODD_PAGES_SHOWN, review_html, write_review

SHA = "0" * 64
NAUGHTY = "<script>alert('1')<!-- \"quoted\" & ü 東京"  # all that a file's name may hold
FINE = [LabelledBox(TABLE, 100, 100, 600, 400), LabelledBox(CELL, 110, 110, 80, 20)]
ODD = [LabelledBox(TABLE, 100, 100, 600, 400), LabelledBox(CELL, 110, 800, 80, 20)]

Documents = dict[str, Sequence[Sequence[LabelledBox]]]
Review = Callable[..., str]


@pytest.fixture
def review(tmp_path: Path) -> Review:
    """Makes the page of documents, given as the labels of their pages, and of what else is in the manifest."""
    records = RecordFolder(tmp_path / "records")

    def make(
        documents: Documents, *, thumbnail: bytes = b"jpeg", remarks: tuple[Remark, ...] = (), **others: Any
    ) -> str:
        prepared = []
        for name, labels in documents.items():
            prepared.append(_document(name, labels, remarks))
            lines = tmp_path / "lines"
            lines.write_bytes(b"".join(PageRecord.of(page, thumbnail).to_line() for page in prepared[-1].pages))
            write_record(records.path(name), prepared[-1], [lines])
        return "".join(review_html(_manifest(documents, **others), prepared, records))

    return make


def _document(name: str, pages: Sequence[Sequence[LabelledBox]], remarks: tuple[Remark, ...]) -> PreparedDocument:
    found = [
        PreparedPage(number, LabelledPage(f"{name}_{number}.jpg", 1000, 1400, PackedBoxes(labels), remarks), 9, SHA)
        for number, labels in enumerate(pages)
    ]
    return PreparedDocument(name, SHA, InputDigest(SHA, SHA), tuple(found))


def _manifest(documents: Documents, **others: Any) -> Manifest:
    pages = sum(map(len, documents.values()))
    train = SplitSummary(documents=len(documents), images=pages, annotations={"table": 1234, "Cell": 5, "header": 0})
    none = SplitSummary(documents=0, images=0, annotations={})
    entries = (
        DocumentEntry(name=name, split="train", pages=len(found), pdf_sha256=SHA, json_sha256=SHA)
        for name, found in documents.items()
    )
    return Manifest(
        digest="sha256:abc",
        input_digest="sha256:def",
        parameters={"dpi": 120, "split": "80,10,10"},
        categories=tuple(Category(id=at, name=name) for at, name in enumerate(("table", "Cell", "header"), 1)),
        splits={"train": train, "val": none, "test": none},
        documents=tuple(entries),
        files=(),
        **others,
    )


class _Reader(HTMLParser):
    """The text of a page, its elements' names, and their attributes; checks that elements close as they opened."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]


def test_a_page_says_what_the_dataset_holds_and_how_it_was_made(review: Review) -> None:
    page = _Reader(review({"a": [FINE, []]}))
    for words in ("1 document to train on, 0 left out", "sha256:abc", "No document was left out", "1,234", "dpi120"):
        assert words in page.text, words
    for words in ("page 0: 1 table, 1 cell", "page 1: no table"):
        assert words in page.text, words
    for absent in ("Odd labels", "odd labels", "Left out ", "Moved", "several splits"):
        assert absent not in page.text, absent


def test_every_kind_of_fault_is_told_before_the_pages(review: Review) -> None:
    page = _Reader(
        review(
            {"b": [FINE], "a": [ODD]},
            quarantined=(QuarantinedEntry(name="broken", reason="encrypted", message="It asks for a password."),),
            leaks=tuple(
                LeakEntry(sha256=digit * 64, documents=("a", "b"), splits=("test", "train")) for digit in "123"
            ),
            moved=(MoveEntry(document="b", source="val", target="train"),),
            ignored=("json/notes.txt",),
        )
    )
    in_order = [
        "2 documents to train on, 1 left out",
        "json/notes.txt",
        "Left out 1",
        "1 × encrypted",
        "broken",
        "It asks for a password.",
        "The same pages in several splits 1",  # of two documents, however many pages
        "a, b: in test and train",
        "Odd labels 1",
        "The cell at (110, 800) lies outside table 1.",
        "Moved to another split 1",
        "b: from val to train",
        "All pages 2",
    ]
    places = [page.text.index(words) for words in in_order]
    assert places == sorted(places)
    assert "No document was left out" not in page.text
    targets = {attributes["id"] for tag, attributes in page.tags if "id" in attributes}
    links = {str(a["href"]) for a in page.all("a")}
    assert {link[1:] for link in links if link.startswith("#")} == targets


def test_documents_with_odd_labels_come_first(review: Review) -> None:
    page = _Reader(review({"a": [FINE], "b": [ODD], "c": [ODD, ODD], "d": [FINE]}))
    sheet = page.text[page.text.index("All pages") :]
    assert re.findall(r"\b([a-d]) train, ", sheet) == ["c", "b", "a", "d"]


def test_remarks_are_listed_with_the_odd_labels_one_of_each_kind_first(review: Review) -> None:
    many = tuple(
        Remark(RemarkKind.TEXT_DIFFERS, f"The cell at ({number}, 0) holds another text.", Box(number, 0, 50, 50))
        for number in range(4)
    )
    about_the_page = Remark(RemarkKind.PLACEHOLDER, "Page 0 asks for another program.")
    page = _Reader(review({"a": [ODD]}, remarks=(*many, about_the_page)))
    assert "Odd labels 6 They are in the data set" in page.text
    for tallied in ("4 × text differs", "1 × placeholder", "1 × cell outside its table"):
        assert tallied in page.text, tallied
    assert (
        "page 0: The cell at (0, 0) holds another text. Page 0 asks for another program. The cell at (110, 800) lies "
        "outside table 1. And 3 more." in page.text
    )
    # What is about the whole page has no place on its picture.
    assert len(page.all("i")) == 5


def test_the_place_of_an_odd_label_is_marked_on_its_picture(review: Review) -> None:
    [mark] = _Reader(review({"a": [ODD]})).all("i")
    assert mark == {"class": "mark", "style": "left:11.0%;top:57.1%;width:8.0%;height:1.4%"}


def test_what_documents_bring_along_is_text_and_never_markup(review: Review) -> None:
    page = _Reader(
        review(
            {NAUGHTY: [ODD], "it's <b>bold": [FINE]},
            quarantined=(QuarantinedEntry(name=f"q{NAUGHTY}", reason="<i>schema", message=f"m{NAUGHTY}"),),
            leaks=(LeakEntry(sha256=SHA, documents=(f"l{NAUGHTY}", "b"), splits=("test", "train")),),
            moved=(MoveEntry(document=f"v{NAUGHTY}", source="val", target="train"),),
            ignored=(f"i{NAUGHTY}",),
        )
    )
    assert page.text.count(NAUGHTY) == 7
    assert not page.all("script")
    assert not page.all("b")
    # Nothing but the page's own addresses: places on it and drawings beside it.
    for link in page.all("a"):
        assert re.fullmatch(r"#[a-z-]+|pdfs/[A-Za-z0-9%._~-]+/draw_ann/0\.jpg", str(link["href"])), link
    for image in page.all("img"):
        assert str(image["src"]).startswith("data:image/jpeg;base64,")
        assert image["alt"]
    [policy] = [meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not [attribute for _, attributes in page.tags for attribute in attributes if attribute.startswith("on")]


def test_a_link_goes_to_the_drawing_of_a_name_that_was_cut(review: Review) -> None:
    page = _Reader(review({"東" * 200: [FINE]}))
    [link] = [str(a["href"]) for a in page.all("a") if str(a["href"]).startswith("pdfs/")]
    assert re.fullmatch(r"pdfs/(%E6%9D%B1){61}~[0-9a-f]{16}/draw_ann/0\.jpg", link)


def test_pages_beyond_what_a_browser_bears_are_links_without_pictures(
    review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "MAX_PICTURE_CHARACTERS", 1000)
    page = _Reader(review({"a": [FINE] * 3, "b": [FINE] * 3}, thumbnail=b"x" * 300))  # 400 characters each
    assert len(page.all("img")) == 2
    assert len([a for a in page.all("a") if str(a["href"]).startswith("pdfs/")]) == 6
    assert page.text.count("From here on without pictures") == 1


def test_a_corpus_that_is_odd_all_over_does_not_fill_the_page_with_it(review: Review) -> None:
    page = _Reader(review({"a": [ODD] * (MAX_ODD_PAGES_SHOWN + 5)}))
    odd = page.text[page.text.index("Odd labels") : page.text.index("All pages")]
    assert odd.count("outside table 1") == MAX_ODD_PAGES_SHOWN
    assert "5 pages more, marked below" in odd
    many = [ODD[0], *(LabelledBox(CELL, 110 + 20 * at, 800, 15, 15) for at in range(30))]
    page = _Reader(review({"a": [many]}))
    assert page.text.count("And 27 more.") == 2
    assert len(page.all("i")) == contact_sheet.MAX_MARKS


def test_names_of_no_unicode_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_review(path, _manifest({}, ignored=("json/\udcff.txt",)), [], RecordFolder(tmp_path / "records"))
    assert "json/\\udcff.txt" in path.read_text()
