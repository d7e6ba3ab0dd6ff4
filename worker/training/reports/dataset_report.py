"""Writes the review page `report.html`: before training, people see what the dataset holds and what was left out.

The page is self-contained, so that it can be mailed or opened from a bucket, and runs no script, since names and
messages come from other people's documents. It is written document by document to save memory.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from training.dataset.manifest import Manifest
from training.dataset.prepared_document import PreparedDocument, RecordFolder
from training.labels.outliers import find_outliers
from training.labels.remark import Remark
from training.reports.contact_sheet import MAX_NOTES, Findings, contact_sheet, link
from training.reports.markup import count, heading, name, names, number, page_head, scrolled, tally, text
from training.reports.style import STYLE

MAX_ODD_PAGES_SHOWN = 200
_ADVICE = """<p>Look at the pages before you train. Correct what is wrong in the BadgerDoc JSON and run preprocess
again: only what changed is made anew. Or edit a split’s JSON under <code>ttv/</code> with COCO Annotator; training
takes it as you left it.</p>
"""


def write_review(path: Path, manifest: Manifest, documents: Sequence[PreparedDocument], records: RecordFolder) -> None:
    """Writes the page to `path`; the thumbnails come from the documents' records."""
    # A file that belongs to no document may have a name that is not valid Unicode.
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(review_html(manifest, documents, records))


def review_html(manifest: Manifest, documents: Sequence[PreparedDocument], records: RecordFolder) -> Iterator[str]:
    """The HTML of the page, piece by piece."""
    findings = find_in_documents(documents)
    yield page_head("Review of the data set", STYLE)
    yield "<header>\n"
    yield from _top(manifest, findings)
    yield "</header>\n<main>\n"
    yield from _quarantined(manifest)
    yield from _leaks(manifest)
    yield from _outliers(findings)
    yield from _moved(manifest)
    yield heading("pages", "All pages", sum(split.images for split in manifest.splits.values()))
    splits = {entry.name: entry.split for entry in manifest.documents}
    yield from contact_sheet(documents, records, splits, findings)
    yield "</main>\n</body></html>\n"


def find_in_documents(documents: Iterable[PreparedDocument]) -> Findings:
    """What is odd about each page: what was remarked when it was prepared, and the outliers of its labels."""
    found = {}
    for document in documents:
        for page in document.pages:
            labelled = page.labelled
            odd = labelled.remarks + find_outliers(list(labelled.boxes), labelled.width, labelled.height)
            if odd:
                found[document.name, page.number] = _one_of_each_kind_first(odd)
    return found


def _one_of_each_kind_first(remarks: Sequence[Remark]) -> tuple[Remark, ...]:
    """The remarks in an order that hides no kind behind many of another where only a few are shown."""
    first = {remark.kind: remark for remark in reversed(remarks)}
    return (*reversed(first.values()), *(remark for remark in remarks if first[remark.kind] is not remark))


def _top(manifest: Manifest, findings: Findings) -> Iterator[str]:
    left_out = len(manifest.quarantined)
    yield f"<h1>{count(len(manifest.documents), 'document')} to train on, {number(left_out)} left out</h1>\n"
    yield f'<p class="soft">data set <code>{text(manifest.digest)}</code></p>\n'
    leaks, odd = len(_leaking(manifest)), sum(map(len, findings.values()))
    faults = [
        f'<li><a class="{kind}" href="#{place}">{words}</a></li>'
        for place, kind, found, words in (
            ("left-out", "bad", left_out, f"{count(left_out, 'document')} left out"),
            ("leaks", "bad", leaks, "the same pages in several splits"),
            ("odd", "odd", odd, count(odd, "odd label")),
            ("moved", "", len(manifest.moved), f"{count(len(manifest.moved), 'document')} moved to another split"),
        )
        if found
    ]
    nothing = '<li class="good">No document was left out and no label looks odd</li>'
    yield f'<nav aria-label="Contents"><ul>{"".join(faults) or nothing}'
    yield '<li><a href="#pages">all pages</a></li></ul></nav>\n'
    yield _ADVICE
    yield from _counts(manifest)
    yield "<details><summary>How it was made</summary>\n<dl>"
    for key, value in {**manifest.parameters, "input": manifest.input_digest}.items():
        yield f"<div><dt>{text(key)}</dt><dd>{text(value)}</dd></div>\n"
    yield "</dl></details>\n"
    if manifest.ignored:
        yield f"<details><summary>{count(len(manifest.ignored), 'file')} of no document</summary>\n<ul>"
        for key in manifest.ignored:
            yield f"<li>{name(key)}</li>\n"
        yield "</ul></details>\n"


def _counts(manifest: Manifest) -> Iterator[str]:
    classes = [category.name for category in manifest.categories]
    rows = [
        (name, [split.documents, split.images, *(split.annotations.get(label, 0) for label in classes)])
        for name, split in manifest.splits.items()
    ]
    columns = "".join(f'<th scope="col">{text(title)}</th>' for title in ["split", "documents", "pages", *classes])
    yield f"{scrolled('Counts')}<table>\n<thead><tr>{columns}</tr></thead>\n<tbody>"
    for split, counts in rows:
        yield _row(split, counts)
    yield "</tbody>\n<tfoot>"
    yield _row("all", [sum(column) for column in zip(*(counts for _, counts in rows), strict=True)])
    yield "</tfoot></table></div>\n"


def _row(head: str, values: Iterable[int]) -> str:
    cells = "".join(f"<td>{number(value)}</td>" for value in values)
    return f'<tr><th scope="row">{text(head)}</th>{cells}</tr>\n'


def _quarantined(manifest: Manifest) -> Iterator[str]:
    if not manifest.quarantined:
        return
    yield heading("left-out", "Left out", len(manifest.quarantined), "bad")
    reasons = Counter(entry.reason for entry in manifest.quarantined)
    yield f"<p>Nothing of these documents is in the data set: {tally(reasons)}.</p>\n"
    columns = "".join(f'<th scope="col">{title}</th>' for title in ("document", "reason", "what happened, what to do"))
    yield f'{scrolled("Documents left out")}<table class="words">\n<thead><tr>{columns}</tr></thead>\n<tbody>'
    for entry in manifest.quarantined:
        yield (
            f'<tr><th scope="row">{name(entry.name)}</th><td class="bad">{text(entry.reason)}</td>'
            f"<td>{text(entry.message)}</td></tr>\n"
        )
    yield "</tbody></table></div>\n"


def _leaking(manifest: Manifest) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Documents that share content across splits, and these splits: once, however many pages they share."""
    return list(dict.fromkeys((leak.documents, leak.splits) for leak in manifest.leaks))


def _leaks(manifest: Manifest) -> Iterator[str]:
    leaking = _leaking(manifest)
    if not leaking:
        return
    yield heading("leaks", "The same pages in several splits", len(leaking), "bad")
    yield "<p>Training would see what it is tested on: of each line, keep one document.</p>\n<ul>"
    for documents, splits in leaking:
        yield f"<li>{names(documents)}: in {text(' and '.join(splits))}</li>\n"
    yield "</ul>\n"


def _outliers(findings: Findings) -> Iterator[str]:
    if not findings:
        return
    kinds = Counter(remark.kind.replace("_", " ") for found in findings.values() for remark in found)
    yield heading("odd", "Odd labels", kinds.total(), "odd")
    yield f"<p>They are in the data set; look whether they are right: {tally(kinds)}.</p>\n<ul>"
    for (document, page), found in islice(sorted(findings.items()), MAX_ODD_PAGES_SHOWN):
        messages = " ".join(text(remark.message) for remark in found[:MAX_NOTES])
        more = f" And {number(len(found) - MAX_NOTES)} more." if len(found) > MAX_NOTES else ""
        yield f'<li><a href="{link(document, page)}">{name(document)}, page {page}</a>: {messages}{more}</li>\n'
    if len(findings) > MAX_ODD_PAGES_SHOWN:
        yield f"<li>{count(len(findings) - MAX_ODD_PAGES_SHOWN, 'page')} more, marked below</li>\n"
    yield "</ul>\n"


def _moved(manifest: Manifest) -> Iterator[str]:
    if not manifest.moved:
        return
    yield heading("moved", "Moved to another split", len(manifest.moved))
    yield "<p>Without them that split would lack a class, or be empty.</p>\n<ul>"
    for move in manifest.moved:
        yield f"<li>{name(move.document)}: from {text(move.source)} to {text(move.target)}</li>\n"
    yield "</ul>\n"
