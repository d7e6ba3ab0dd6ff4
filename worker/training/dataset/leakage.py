"""Whether training saw what validation or test ask for. Pure.

No document is in two splits; but the same file or page may have come in under two names.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """A PDF or a labelled page image, by the sha256 of its bytes, and where it went."""

    sha256: str
    document: str
    split: str


@dataclass(frozen=True)
class Leak:
    """The same content in several splits."""

    sha256: str
    documents: tuple[str, ...]
    splits: tuple[str, ...]


def find_leaks(contents: Iterable[Content]) -> tuple[Leak, ...]:
    """All contents that are in more than one split, by their first document."""
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
