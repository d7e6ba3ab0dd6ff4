"""`report.html`: one page on which people see, before they train, what the data set holds and what was left out.

It carries everything that it shows, so that it can be mailed or opened from a bucket, and runs no script: names and
messages come from documents of others. It is written document by document, so that its size is not this program's.
"""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from training.annotate import CATEGORIES
from training.coco import COLOURS
from training.layout import drawing_key
from training.manifest import Manifest
from training.outliers import Outlier, find_outliers
from training.prepared import PreparedDocument
from training.records import PageRecord, RecordFolder, read_pages
from training.review_style import STYLE
from training.source import file_stem

MAX_THUMBNAILS = 3000  # a page with more is too heavy for a browser
MAX_ODD_PAGES_SHOWN = 200


# By the document's name and the page's number.
Findings = Mapping[tuple[str, int], tuple[Outlier, ...]]


def write_review(path: Path, manifest: Manifest, documents: Sequence[PreparedDocument], records: RecordFolder) -> None:
    """Writes the page to `path`; thumbnails come from the documents' records."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(review_html(manifest, documents, records))


def review_html(manifest: Manifest, documents: Sequence[PreparedDocument], records: RecordFolder) -> Iterator[str]:
    """The page, piece by piece."""
    findings = _findings(documents)
    total = sum(map(len, findings.values()))
    odd = Counter(name for name, _ in findings)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Review of the data set</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body>\n"
    )
    yield from _head(manifest, total)
    yield from _quarantined(manifest)
    yield from _moved_and_leaked(manifest)
    yield from _outliers(findings)
    splits = {entry.name: entry.split for entry in manifest.documents}
    pages = sum(split.images for split in manifest.splits.values())
    yield f'<h2 id="pages">All pages <span class="soft">{pages}</span></h2>\n'
    yield f"<p>{_legend()} Each opens the page at a size to read.</p>\n"
    # What needs a look comes first.
    ordered = sorted(documents, key=lambda document: (-odd[document.name], document.name))
    left = MAX_THUMBNAILS
    for document in ordered:
        yield from _document(document, splits[document.name], records, findings, thumbnails=left)
        left = max(0, left - len(document.pages))
    yield "</body></html>\n"


def _head(manifest: Manifest, findings: int) -> Iterator[str]:
    prepared, quarantined = len(manifest.documents), len(manifest.quarantined)
    yield f"<h1>{_count(prepared, 'document')} to train on, {_count(quarantined, 'document')} left out</h1>\n"
    yield f"<p><code>{_text(manifest.digest)}</code></p>\n"
    advice = "look at the pages below" if not findings else f"look at the {_count(findings, 'odd label')} below"
    yield (
        f"<p>Before you train, {advice}. Correct what is wrong in the BadgerDoc JSON and run preprocess again: only "
        "what changed is made anew. Or edit a split's JSON under <code>ttv/</code> with COCO Annotator; training takes "
        "it as you left it.</p>\n"
    )
    names = [category.name for category in manifest.categories]
    columns = "".join(f'<th scope="col">{_text(name)}</th>' for name in ["split", "documents", "pages", *names])
    yield f'<div class="scroll"><table><tr>{columns}</tr>\n'
    for name, split in manifest.splits.items():
        counts = "".join(f"<td>{split.annotations.get(category, 0)}</td>" for category in names)
        yield f'<tr><th scope="row">{name}</th><td>{split.documents}</td><td>{split.images}</td>{counts}</tr>\n'
    yield "</table></div>\n<p class=soft>"
    yield ", ".join(f"{_text(name)} {_text(value)}" for name, value in manifest.parameters.items()) + "</p>\n"


def _quarantined(manifest: Manifest) -> Iterator[str]:
    if not manifest.quarantined:
        return
    yield f'<h2 id="quarantined" class="bad">Left out <span class="soft">{len(manifest.quarantined)}</span></h2>\n'
    yield '<div class="scroll"><table class="words">'
    for entry in manifest.quarantined:
        yield (
            f'<tr><td>{_text(entry.name)}</td><td class="bad">{_text(entry.reason)}</td>'
            f"<td>{_text(entry.message)}</td></tr>\n"
        )
    yield "</table></div>\n"


def _moved_and_leaked(manifest: Manifest) -> Iterator[str]:
    if manifest.leaks:
        yield f'<h2 class="bad">The same page in several splits <span class="soft">{len(manifest.leaks)}</span></h2>\n'
        yield "<p>Training would see what it is tested on: remove all but one.</p><ul>"
        for leak in manifest.leaks:
            yield f"<li>{_text(', '.join(leak.documents))}: {_text(' and '.join(leak.splits))}</li>\n"
        yield "</ul>\n"
    if manifest.moved:
        yield f'<h2>Moved to another split <span class="soft">{len(manifest.moved)}</span></h2>\n'
        yield "<p>The split would have lacked a class, or any document, without them.</p><ul>"
        for move in manifest.moved:
            yield f"<li>{_text(move.document)}: from {_text(move.source)} to {_text(move.target)}</li>\n"
        yield "</ul>\n"


def _outliers(findings: Findings) -> Iterator[str]:
    if not findings:
        return
    kinds = Counter(outlier.kind for found in findings.values() for outlier in found)
    yield f'<h2 id="odd" class="odd">Odd labels <span class="soft">{kinds.total()}</span></h2>\n'
    yield "<p>" + ", ".join(f"{count} × {_text(kind)}" for kind, count in sorted(kinds.items())) + "</p><ul>\n"
    for (name, page), found in islice(sorted(findings.items()), MAX_ODD_PAGES_SHOWN):
        messages = "; ".join(f"{_text(outlier.kind)}, {_text(outlier.message)}" for outlier in found)
        yield f'<li><a href="{_link(name, page)}">{_text(name)}, page {page}</a>: {messages}</li>\n'
    if len(findings) > MAX_ODD_PAGES_SHOWN:
        yield f"<li>and {len(findings) - MAX_ODD_PAGES_SHOWN} more pages, marked below</li>\n"
    yield "</ul>\n"


def _document(
    document: PreparedDocument, split: str, records: RecordFolder, findings: Findings, *, thumbnails: int
) -> Iterator[str]:
    pages = _count(len(document.pages), "page")
    yield f'<h3>{_text(document.name)} <span class="soft">{_text(split)}, {pages}</span></h3>\n<div class="sheet">'
    for index, page in enumerate(read_pages(records.path(document.name))):
        outliers = findings.get((document.name, page.number), ())
        yield _page(document.name, page, outliers, with_thumbnail=index < thumbnails)
    yield "</div>\n"


def _page(name: str, page: PageRecord, outliers: Sequence[Outlier], *, with_thumbnail: bool) -> str:
    labels = page.prepared().labelled.boxes
    counts = Counter(CATEGORIES[label.category] for label in labels)
    shown = ", ".join(f"{counts[category]} {category}" for category in CATEGORIES.values() if counts[category])
    notes = "".join(f'<span class="odd">{_text(outlier.message)}</span>' for outlier in outliers[:3])
    picture = ""
    if with_thumbnail:
        picture = (
            f'<img loading="lazy" width="{page.width}" height="{page.height}" '
            f'alt="Page {page.number} of {_text(name)} with its labels" src="data:image/jpeg;base64,{page.thumbnail}">'
        )
    return (
        f'<a href="{_link(name, page.number)}"{" class=odd-page" if outliers else ""}>{picture}'
        f"<span>page {page.number}: {shown or 'no table'}</span>{notes}</a>\n"
    )


def _findings(documents: Iterable[PreparedDocument]) -> Findings:
    found = {
        (document.name, page.number): find_outliers(
            list(page.labelled.boxes), page.labelled.width, page.labelled.height
        )
        for document in documents
        for page in document.pages
    }
    return {place: outliers for place, outliers in found.items() if outliers}


def _legend() -> str:
    keys = (
        f'<span class="key" style="background:{COLOURS[number]}"></span>{name}' for number, name in CATEGORIES.items()
    )
    return "Outlined are " + ", ".join(keys) + "."


def _link(document: str, page: int) -> str:
    return html.escape(quote(drawing_key(file_stem(document), page)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _text(value: object) -> str:
    return html.escape(str(value))
