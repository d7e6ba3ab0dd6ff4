"""Annotations read as preprocess reads them, all pages at once."""

from training.badgerdoc.document import Page, check_unique
from training.badgerdoc.reader import AUTO, page_texts


def read_annotations(data: bytes, annotation_format: str = AUTO) -> tuple[Page, ...]:
    """All pages in `data`, or the error that the document is quarantined with."""
    pages = tuple(text.read() for text in page_texts(data, annotation_format))
    check_unique([page.page_num for page in pages])
    return pages
