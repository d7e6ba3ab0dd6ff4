"""Compares the text that annotators wrote into a cell with what was found there. Pure.

Texts are compared without white space, punctuation and hyphens, in one Unicode form and in one case. What is left is
compared by pairs of neighbouring characters, in either order, since text layers split Asian text anywhere, order words
by columns, and hold right-to-left text in the order in which it is drawn.
"""

import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

SIMILAR = 0.5  # similarity from which two texts are the same, but for a few characters that OCR read wrong
SHOWN_CHARACTERS = 40  # of a text, in a message
_COMPARED_CATEGORIES = "LMN"  # letters, marks, numbers


class Difference(NamedTuple):
    """A cell's text and another text, found in its box."""

    text: str
    found: str

    def __str__(self) -> str:
        return f"{shown(self.found)} instead of {shown(self.text)}"


def difference(text: str, found: str) -> Difference | None:
    """The two texts if they differ by more than a few characters, else None, also if they cannot be compared."""
    differ = is_comparable(text, found) and similarity(text, found) < SIMILAR
    return Difference(text, found) if differ else None


def is_comparable(text: str, other: str) -> bool:
    """Whether two texts have something to compare.

    A single character says nothing about a longer text: text layers hold the letters of a turned watermark one by one.
    """
    lengths = sorted((len(normalised(text)), len(normalised(other))))
    return lengths[0] > 1 or lengths == [1, 1]


@lru_cache(maxsize=4096)  # a cell's text is compared more than once
def normalised(text: str) -> str:
    """The text's letters and numbers, without case, ligatures, raised figures and the like."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(character for character in plain if unicodedata.category(character)[0] in _COMPARED_CATEGORIES)
    return unicodedata.normalize("NFKC", kept)  # what was left out may have kept a letter and its accent apart


def similarity(text: str, other: str) -> float:
    """The Sørensen–Dice coefficient of two texts' pairs of characters, from 0 to 1, the same text."""
    one, two = normalised(text), normalised(other)
    if one == two:
        return 1.0
    pairs, other_pairs = _pairs(one), _pairs(two)
    return 2 * (pairs & other_pairs).total() / max(1, pairs.total() + other_pairs.total())


def shown(text: str) -> str:
    """The text in quotation marks, on one line, cut if it is long."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…")


def _pairs(text: str) -> "Counter[tuple[str, str]]":
    return Counter((min(pair), max(pair)) for pair in pairwise(text))
