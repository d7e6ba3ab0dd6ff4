"""The corpora that the benchmark runs on: drawn ones, and the real documents of ../shared/data."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from hack.bench.raw import page_numbers
from hack.documents.corpus import draw_corpus

PAGES_PER_SMALL_DOCUMENT = 2
SMALL_DOCUMENTS_BESIDE_LONG = 4  # a dataset of three splits needs more than the long one
FOLDERS = ("pdfs", "json")


@dataclass(frozen=True)
class Corpus:
    """A folder with `pdfs/` and `json/`."""

    title: str
    folder: Path

    @property
    def documents(self) -> list[tuple[Path, list[int]]]:
        """Every PDF with its annotated pages, which are those that get drawn; numbers from 0."""
        return [(pdf, page_numbers(self.json_of(pdf))) for pdf in sorted((self.folder / "pdfs").glob("*.pdf"))]

    @property
    def pages(self) -> int:
        return sum(len(numbers) for _, numbers in self.documents)

    @property
    def name(self) -> str:
        """As the tables name it."""
        return f"{self.title}: {len(self.documents)} documents, {self.pages:,} pages"

    def json_of(self, pdf: Path) -> Path:
        return self.folder / "json" / f"{pdf.stem}.json"


def many_small(folder: Path, *, pages: int) -> Corpus:
    """Drawn documents of two pages each."""
    draw_corpus(folder, documents=pages // PAGES_PER_SMALL_DOCUMENT, seed=1, pages=PAGES_PER_SMALL_DOCUMENT)
    return Corpus("drawn, two pages each", folder)


def one_long(folder: Path, *, pages: int) -> Corpus:
    """One drawn document with nearly all pages, and a few small ones."""
    small = SMALL_DOCUMENTS_BESIDE_LONG
    draw_corpus(folder, documents=1, seed=2, pages=pages - small * PAGES_PER_SMALL_DOCUMENT)
    for name in FOLDERS:
        for path in (folder / name).iterdir():
            path.rename(path.with_stem("long"))
    draw_corpus(folder, documents=small, seed=3, pages=PAGES_PER_SMALL_DOCUMENT)
    return Corpus("drawn, one long", folder)


def repeated(source: Path, folder: Path, *, times: int) -> Corpus:
    """The real documents, each `times` times under names of its own."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
        for path in (source / name).iterdir():
            for copy in range(1, times + 1):
                shutil.copyfile(path, folder / name / (f"{path.stem}-{copy}{path.suffix}" if times > 1 else path.name))
    return Corpus("real" if times == 1 else f"real, each {times} times", folder)


def first_documents(corpus: Corpus, folder: Path, *, pages: int) -> Corpus:
    """The corpus itself, or as many of its first documents as have `pages` pages."""
    if corpus.pages <= pages:
        return corpus
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    taken = 0
    for pdf, numbers in corpus.documents:
        if taken >= pages:
            break
        taken += len(numbers)
        for path in (pdf, corpus.json_of(pdf)):
            shutil.copyfile(path, folder / path.parent.name / path.name)
    return Corpus(corpus.title, folder)


def without_a_cell(document: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations as somebody corrected them: the first table lacks its last cell. ValueError without one."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    tables = (block for page in changed["pages"] for block in page["blocks"] if block.get("cells"))
    for table in islice(tables, 1):
        table["cells"].pop()
        return changed
    raise ValueError("no table of the document has a cell")
