"""Which page images make up a document: by their names, which page numbers end. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.annotations.importers.formats.imported_page import ImportedPage
from training.dataset.image_names import name_readings
from training.documents.names import document_name, file_stem

_NUMBERED = re.compile(r"(.+)[_-](\d+)")


@dataclass(frozen=True)
class ImportedDocument:
    """A document and its pages by number, from 0."""

    name: str
    pages: Mapping[int, ImportedPage]


@dataclass(frozen=True)
class Unplaced:
    """A page image that belongs to no document, and why."""

    image: str
    message: str


def image_stem(image: str) -> str:
    """The image's name without folders and extension, in composed Unicode."""
    name = re.split(r"[/\\]", image)[-1]
    stem, dot, suffix = name.rpartition(".")
    return document_name(name, dot + suffix) if stem else name


def by_image_names(pages: Sequence[ImportedPage], *, group: bool) -> list[ImportedDocument]:
    """Documents that consist of the images alone, in the order of their names.

    With `group`, images called `<name>_<number>` or `<name>-<number>` are the pages of one document, in the order of
    their numbers, so that its pages do not come into two splits. Otherwise each image is a document.
    """
    found: dict[str, list[tuple[int, str, ImportedPage]]] = defaultdict(list)
    for page in pages:
        stem = image_stem(page.image)
        numbered = _NUMBERED.fullmatch(stem) if group else None
        name, number = (numbered[1], int(numbered[2])) if numbered else (stem, 0)
        found[name].append((number, page.image, page))
    return [
        ImportedDocument(name, {index: page for index, (*_, page) in enumerate(sorted(found[name], key=_order))})
        for name in sorted(found)
    ]


def by_pdfs(
    pages: Sequence[ImportedPage], pdf_names: Iterable[str], *, first_page: int
) -> tuple[list[ImportedDocument], list[Unplaced]]:
    """Documents whose PDFs are there: the image `<name>_<number>` shows that page of `<name>.pdf`.

    Numbers count from `first_page`. An image that is called as its PDF is its first page. Names that preprocess
    shortened are found again.
    """
    names = {file_stem(name): name for name in pdf_names}
    found: dict[str, dict[int, ImportedPage]] = defaultdict(dict)
    unplaced = []
    for page in pages:
        place = next((place for name in name_readings(page.image) if (place := _place(name, names, first_page))), None)
        if place is None:
            unplaced.append(Unplaced(page.image, "No PDF has its name; an image of <name>.pdf is <name>_<page>."))
            continue
        name, number = place
        if number < 0 or number in found[name]:
            message = f"Page {number} of {name}.pdf is not free for it; check the name and --first-page."
            unplaced.append(Unplaced(page.image, message))
            continue
        found[name][number] = page
    documents = [ImportedDocument(name, dict(sorted(found[name].items()))) for name in sorted(found) if found[name]]
    return documents, unplaced


def _place(image: str, names: Mapping[str, str], first_page: int) -> tuple[str, int] | None:
    """The PDF and the page that an image of this name shows; `names` are the PDFs' names by their file stems."""
    stem = image_stem(image)
    if stem in names:
        return names[stem], 0
    numbered = _NUMBERED.fullmatch(stem)
    return (names[numbered[1]], int(numbered[2]) - first_page) if numbered and numbered[1] in names else None


def _order(item: tuple[int, str, ImportedPage]) -> tuple[int, str]:
    return item[:2]
