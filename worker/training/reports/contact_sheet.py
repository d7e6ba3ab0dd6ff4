"""The contact sheet of the review page: a thumbnail of every page with its labels, by document."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from training.dataset.layout import drawing_key
from training.dataset.prepared_document import PageRecord, PreparedDocument, RecordFolder, read_pages
from training.geometry import Box
from training.labels.categories import CATEGORIES, COLOURS
from training.labels.remark import Remark
from training.reports.markup import count, name, number, text

MAX_PICTURE_CHARACTERS = 20 << 20  # some 2,700 pictures in Base64; more are too heavy for a browser
MAX_MARKS = 20  # on one picture
MAX_NOTES = 3  # under one picture
# What is odd, by document name and page number.
Findings = Mapping[tuple[str, int], tuple[Remark, ...]]


def contact_sheet(
    documents: Sequence[PreparedDocument], records: RecordFolder, splits: Mapping[str, str], findings: Findings
) -> Iterator[str]:
    """The HTML of all documents' pages, piece by piece; `splits` holds each document's split by name."""
    yield _legend(with_marks=bool(findings))
    odd = Counter(document for document, _ in findings)
    room = MAX_PICTURE_CHARACTERS
    # Documents that need attention come first, so that they get pictures.
    for document in sorted(documents, key=lambda document: (-odd[document.name], document.name)):
        about = f"{text(splits[document.name])}, {count(len(document.pages), 'page')}"
        yield f'<section><h3>{name(document.name)} <span class="soft">{about}</span></h3>\n<ul class="sheet">'
        for page in read_pages(records.path(document.name)):
            if room >= 0 > room - len(page.thumbnail):
                yield '<li class="note">From here on without pictures, to keep this page light</li>\n'
            room -= len(page.thumbnail)
            remarks = findings.get((document.name, page.number), ())
            yield _page(document.name, page, remarks, with_picture=room >= 0)
        yield "</ul></section>\n"


def _legend(*, with_marks: bool) -> str:
    keys = [
        f'<span class="key" style="border-color:{COLOURS[category]}"></span>{label.lower()}s'
        for category, label in CATEGORIES.items()
    ]
    if with_marks:
        keys.append('<span class="key mark"></span>odd labels')
    shown = ", ".join(keys)
    return f"<p>Outlined are {shown}. Each opens the page at a size to read. Pages count from 0, as in the JSON.</p>\n"


def _page(document: str, page: PageRecord, remarks: Sequence[Remark], *, with_picture: bool) -> str:
    labels = Counter(label.category for label in page.prepared().labelled.boxes)
    shown = ", ".join(count(labels[number], label.lower()) for number, label in CATEGORIES.items() if labels[number])
    notes = [text(remark.message) for remark in remarks[:MAX_NOTES]]
    if len(remarks) > MAX_NOTES:
        notes.append(f"And {number(len(remarks) - MAX_NOTES)} more.")
    picture = _picture(page, remarks) if with_picture else ""
    return (
        f'<li{" class=odd-page" if remarks else ""}><a href="{link(document, page.number)}">{picture}'
        f"<span>page {page.number}: {shown or 'no table'}</span>"
        f"{''.join(f'<span class=odd>{note}</span>' for note in notes)}</a></li>\n"
    )


def _picture(page: PageRecord, remarks: Sequence[Remark]) -> str:
    boxes = [remark.box for remark in remarks if remark.box is not None]
    marks = "".join(_mark(box, page) for box in boxes[:MAX_MARKS])
    return (
        f'<span class="picture"><img width="{page.width}" height="{page.height}" '
        f'alt="Page {page.number} with its labels" src="data:image/jpeg;base64,{page.thumbnail}">{marks}</span>'
    )


def _mark(box: Box, page: PageRecord) -> str:
    left, top, right, bottom = box.scaled(100 / page.width, 100 / page.height)
    place = f"left:{left:.1f}%;top:{top:.1f}%;width:{right - left:.1f}%;height:{bottom - top:.1f}%"
    return f'<i class="mark" style="{place}"></i>'


def link(document: str, page: int) -> str:
    """The address of a page's drawing, relative to the review page."""
    return html.escape(quote(drawing_key(document, page)))
