"""How well the texts that annotators wrote into cells agree with the words found in the cells' boxes. Pure.

Texts are compared without white space, punctuation and hyphens, in one Unicode form and in one case. What is left is
compared by pairs of neighbouring characters, in either order, since text layers split Asian text anywhere, order words
by columns, and hold right-to-left text in the order in which it is drawn.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from training.geometry import Box, Words
from training.labels.content import own_words

SIMILAR = 0.5  # similarity from which two texts are the same, but for a few characters that OCR read wrong
MIN_TEXTS = 5  # to judge by: fewer that differ are slips of single cells
MIN_TEXTS_OF_NONE = 2  # to judge a document by if none of its texts fits
SHOWN_CHARACTERS = 40  # of a text, in a message
_COMPARED_CATEGORIES = "LMN"  # letters, marks, numbers


class Difference(NamedTuple):
    """A cell's text and another text, found in its box."""

    text: str
    found: str

    def __str__(self) -> str:
        return f"{shown(self.found)} instead of {shown(self.text)}"


@dataclass(frozen=True)
class Agreement:
    """How many cells' texts were `compared` with the words in their boxes, and how many of them are `agreeing`.

    Cells of one text count as one, which agrees if most of them do: in a table of numbers, `0` is found by chance
    anywhere. So do cells that differ but hold one text, such as a watermark's. `example` is a cell that differs.

    Of the cells with text, `texts` in all, `silent` ones have ink that no word touches, and `empty` ones hold nothing.
    """

    compared: int = 0
    agreeing: int = 0
    example: Difference | None = None
    texts: int = 0
    silent: int = 0
    empty: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.compared + other.compared,
            self.agreeing + other.agreeing,
            self.example or other.example,
            self.texts + other.texts,
            self.silent + other.silent,
            self.empty + other.empty,
        )

    @property
    def contradicts(self) -> bool:
        """Whether the texts are not those of the boxes: most differ, or most boxes are empty, of enough to judge by.

        A text layer that is silent about more cells than it speaks of is that of a watermark or a stamp over a scan.
        """
        differ = self.compared >= MIN_TEXTS and 2 * self.agreeing < self.compared and self.compared > self.silent
        return differ or (self.empty >= MIN_TEXTS and 2 * self.empty > self.texts)

    @property
    def contradicts_as_a_whole(self) -> bool:
        """The same for a whole document. There, two texts are enough to judge by if none fits."""
        none_agrees = not self.agreeing and self.compared >= MIN_TEXTS_OF_NONE and self.compared > self.silent
        return self.contradicts or none_agrees or (self.empty >= MIN_TEXTS_OF_NONE and self.empty == self.texts)


def agreement(cells: Sequence[tuple[str, Box]], words: Words) -> Agreement:
    """Compares each cell's text with the words in its box. Cells without text or without words say nothing."""
    agrees: dict[str, list[bool]] = {}
    differing: dict[str, Difference] = {}
    for text, box in cells:
        found = found_text(box, words)
        if similarity(text, found) is not None:
            different = difference(text, found)
            agrees.setdefault(normalised(text), []).append(different is None)
            if different is not None:
                differing.setdefault(normalised(found), different)
    agreeing = sum(2 * sum(each) > len(each) for each in agrees.values())
    differ = min(len(agrees) - agreeing, len(differing))
    return Agreement(agreeing + differ, agreeing, next(iter(differing.values()), None))


def difference(text: str, found: str) -> Difference | None:
    """The two texts if they differ by more than a few characters, else None, also if they cannot be compared."""
    similar = similarity(text, found)
    return Difference(text, found) if similar is not None and similar < SIMILAR else None


def found_text(cell: Box, words: Words) -> str:
    """The text of the words that lie in the cell as a whole, in the order of the page."""
    found = sorted(own_words(cell, words), key=lambda word: (word.box.top, word.box.left))
    return " ".join(word.text for word in found)


def normalised(text: str) -> str:
    """The text's letters and numbers, without case, ligatures, raised figures and the like."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in plain if unicodedata.category(character)[0] in _COMPARED_CATEGORIES)


def similarity(text: str, other: str) -> float | None:
    """The Sørensen–Dice coefficient of two texts' pairs of characters, 0 to 1. None if they cannot be compared.

    A single character says nothing about a longer text: text layers hold the letters of a turned watermark one by one.
    """
    one, two = normalised(text), normalised(other)
    if min(len(one), len(two)) == 0 or (min(len(one), len(two)) == 1 and len(one) != len(two)):
        return None
    if one == two:
        return 1.0
    pairs, other_pairs = _pairs(one), _pairs(two)
    return 2 * (pairs & other_pairs).total() / max(1, pairs.total() + other_pairs.total())


def _pairs(text: str) -> "Counter[tuple[str, str]]":
    return Counter((min(pair), max(pair)) for pair in pairwise(text))


def shown(text: str) -> str:
    """The text in quotation marks, on one line, cut if it is long."""
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…")
