"""Finds leaks, the same content in more than one split: training must not see what it is tested on. Pure.

No document is in two splits, but two documents may hold the same file or page.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """A PDF or a labelled page image, by the SHA-256 of its bytes, with its document and split."""

    sha256: str
    document: str
    split: str


@dataclass(frozen=True)
class Leak:
    """Content that is in several splits."""

    sha256: str
    documents: tuple[str, ...]
    splits: tuple[str, ...]


def find_leaks(contents: Iterable[Content]) -> tuple[Leak, ...]:
    """All contents that are in more than one split, sorted by their documents."""
    places: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for content in contents:
        places[content.sha256].add((content.document, content.split))
    leaks = [
        Leak(sha256, tuple(sorted({document for document, _ in found})), tuple(sorted({split for _, split in found})))
        for sha256, found in places.items()
    ]
    return tuple(
        sorted((leak for leak in leaks if len(leak.splits) > 1), key=lambda leak: (leak.documents, leak.sha256))
    )
