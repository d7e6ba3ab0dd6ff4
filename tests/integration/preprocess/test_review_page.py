"""The review page as a browser shows it, of a dataset that the command made."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from hack.documents.corpus import draw_corpus
from tests.support.browser import (
    DESKTOP,
    PHONE,
    Browser,
    Page,
    check_outline,
    forbidden,
    picture_that_fits,
    running_browser,
)
from tests.support.preprocess.command import run_preprocess

pytestmark = pytest.mark.integration

NAUGHTY = '<img src=x onerror=alert(1)> "it\'s" zürich'
LONG = "annual-report-" * 14  # 196 characters


@dataclass(frozen=True)
class Review:
    """The target of a run and the manifest in it."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Review:
    """Of ten drawn documents: two cannot be used, two have odd labels, two have names that are hard to show."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    draw_corpus(source, documents=10, seed=9, pages=2)
    for index, name in ((1, NAUGHTY), (2, LONG)):
        for kind, extension in (("pdfs", "pdf"), ("json", "json")):
            (source / kind / f"document-{index:04d}.{extension}").rename(source / kind / f"{name}.{extension}")
    (source / "pdfs/document-0003.pdf").write_bytes(b"no PDF at all")
    (source / "json/document-0004.json").unlink()
    _change(source / "json/document-0005.json", _move_a_cell_onto_the_title)
    _change(source / "json/document-0006.json", _add_a_table_without_cells)
    for copy in range(12):  # of which one at least is in another split
        for kind, extension in (("pdfs", "pdf"), ("json", "json")):
            shutil.copy(source / kind / f"document-0007.{extension}", source / kind / f"copy-{copy}.{extension}")
    (source / "json/notes.txt").write_text("of nobody")
    code, output, _ = run_preprocess(
        "--source", source, "--working_dir", target, "--dpi", "72", "--max_failed_documents", "2", folder=source
    )
    assert code == 0, output
    return Review(target, json.loads((target / "ttv/manifest.json").read_text()))


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content["pages"][0])
    path.write_text(json.dumps(content))


def _move_a_cell_onto_the_title(page: dict[str, Any]) -> None:
    table = next(block for block in page["blocks"] if block["type"] == "table")
    next(cell for cell in table["cells"] if cell["text"])["bbox"] = page["blocks"][0]["bbox"]


def _add_a_table_without_cells(page: dict[str, Any]) -> None:
    top = page["bbox"]["height"] - 70  # in the margin
    page["blocks"].append({"type": "table", "bbox": {"left": 100, "top": top, "width": 300, "height": 60}})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser, review: Review) -> Page:
    return browser.open(review.report)


def test_people_read_what_is_in_the_dataset_and_what_is_not(page: Page, review: Review) -> None:
    text = page.text()
    assert text.startswith("20 documents to train on, 2 left out")
    assert review.manifest["digest"] in text
    for split, counts in review.manifest["splits"].items():
        row = [split, counts["documents"], counts["images"], *counts["annotations"].values()]
        assert "\t".join(f"{value:,}" if isinstance(value, int) else value for value in row) in text
    for entry in review.manifest["quarantined"]:
        assert "\t".join((entry["name"], entry["reason"], entry["message"])) in text
    assert {entry["name"] for entry in review.manifest["quarantined"]} == {"document-0003", "document-0004"}
    for entry in review.manifest["documents"]:
        assert f"{entry['name']} {entry['split']}, 2 pages" in text
    assert review.manifest["leaks"]
    assert "The same pages in several splits 1\n" in text
    assert "json/notes.txt" in page.evaluate("document.body.textContent")


def test_people_are_led_to_the_labels_that_look_odd(page: Page) -> None:
    text = page.text()
    assert "Odd labels 3\n" in text
    assert "document-0005, page 0: The cell at (" in text
    assert "lies outside table 1." in text
    assert " instead of " in text
    assert "document-0006, page 0: Table " in text
    assert "has no cell with content." in text
    headings = page.evaluate("[...document.querySelectorAll('h3')].map(heading => heading.textContent)")
    assert [heading.split()[0] for heading in headings[:2]] == ["document-0005", "document-0006"]
    marks = page.evaluate(
        "[...document.querySelectorAll('.picture .mark')].map(mark => {"
        " const [of, on] = [mark, mark.parentElement].map(part => part.getBoundingClientRect());"
        " return [of.width, of.left >= on.left - 4, of.top >= on.top - 4, of.right <= on.right + 4,"
        " of.bottom <= on.bottom + 4] })"
    )
    assert len(marks) == 3  # the moved cell is outside its table, and its text is not the title's
    assert all(width > 4 and all(inside) for width, *inside in marks)


def test_every_page_has_a_picture_that_opens_its_drawing(page: Page, review: Review) -> None:
    pictures = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth, image.alt])")
    assert len(pictures) == 40
    assert all(complete and width >= 90 and alt for complete, width, alt in pictures)
    opened = {
        Path(unquote(urlsplit(address).path))
        for address in page.evaluate("[...document.querySelectorAll('.sheet a')].map(link => link.href)")
    }
    assert opened == set(review.folder.glob("pdfs/*/draw_ann/*.jpg"))
    assert len(opened) == 40


def test_nothing_failed_to_load_and_no_name_became_markup(page: Page) -> None:
    assert NAUGHTY in page.text()
    assert page.problems == []
    assert page.evaluate("document.querySelectorAll('script, [onerror], img:not([src^=\"data:\"])').length") == 0


def test_the_page_itself_forbids_scripts_and_the_network(browser: Browser, review: Review, tmp_path: Path) -> None:
    changed = tmp_path / "report.html"
    foreign = (
        "<script>document.title = 'ran'</script><img src='https://example.org/seen.png'><link rel=stylesheet href=x>"
    )
    changed.write_text(review.report.read_text().replace("</main>", f"{foreign}</main>"))
    page = browser.open(changed)
    assert page.evaluate("document.title") == "Review of the data set"
    assert len(forbidden(page)) == 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_it_fits_the_window_in_light_and_in_dark(page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    picture = picture_that_fits(page, tmp_path / "review.png", width=width, dark=dark)
    assert len(picture.getcolors(256) or []) > 30  # letters and pictures, no blank page


def test_it_can_be_read_aloud_and_used_by_keyboard(page: Page) -> None:
    check_outline(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("['header', 'main', 'nav'].every(part => document.querySelector(part))")
