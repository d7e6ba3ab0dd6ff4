"""Says that a document's texts contradict its boxes, and where its texts are instead. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Words
from training.labels.agreement import Agreement, agreement

Texts = Sequence[tuple[str, Box]]


def better_page(texts: Texts, own: Agreement, others: Mapping[int, Words]) -> int | None:
    """The page of `others` with whose words a page's texts agree best, if they agree there and more than on their own.

    `own` is their agreement with their own page's words.
    """
    found = {number: agreement(texts, words) for number, words in others.items()}
    best = max(found, key=lambda number: (found[number].agreeing, -number), default=None)
    if best is None or found[best].contradicts_as_a_whole:
        return None
    is_better = found[best].agreeing > max(1, own.agreeing) and 2 * found[best].agreeing > found[best].compared
    return best if is_better else None


def elsewhere(found: Iterable[tuple[int, int]]) -> str:
    """A sentence's end that says on which pages texts were found; pairs of a page and the page that has its texts."""
    pairs = list(found)
    if not pairs:
        return ""
    page, other = pairs[0]
    shifts = {page - other for page, other in pairs}
    if len(shifts) > 1:
        return f"the texts of page {page} are on page {other}: correct page_num"
    shift = page - other
    high_or_low = "high" if shift > 0 else "low"
    first = "; does the JSON count pages from 1" if shift == 1 else ""
    return f"the texts of page {page} are on page {other}: page_num is {abs(shift)} too {high_or_low}{first}"


def text_mismatch(where: str, found: Agreement, other_pages: str = "") -> DocumentError:
    """The error for `where`, a page or the document; `other_pages` is what `elsewhere` says."""
    if found.example is not None and not (found.empty and 2 * found.empty > found.texts):
        what = f"{found.agreeing} of {found.compared} texts agree with the words in their cells ({found.example})"
    else:
        what = f"{found.empty} of {found.texts} cells with text hold neither word nor ink"
    advice = other_pages or (
        "is the PDF the one that was annotated? Correct the pair or the boxes, or delete the texts if the PDF's own "
        "text is garbled"
    )
    return DocumentError(Reason.TEXT_MISMATCH, f"On {where}, {what}; {advice}.")
