"""Finds what a cell holds: its own words, or the ink in it. Pure, except for callbacks that find ink.

A word is a cell's own if it lies in the cell as a whole. A word that touches a cell without being its own belongs to
another cell, or to nobody: a watermark, a stamp, words that the text layer joined over a ruling line. The rule:

- A cell with words of its own has their box.
- A cell without has the box of the ink in it. The edges where other cells' words reach into it are cut off first.
- If the words of a table lie beside its ink, as those of an OCR layer do that is out of place, or if they are not what
  is in the cells, as the letters of a watermark over a scan are not, then each of its cells has its ink.

So a word that belongs to nobody never takes a cell's content away.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from training.geometry import Box, Word, Words, union

WORD_IN_CELL = 0.95  # a word belongs to a cell that holds more than this fraction of the word's area
WORD_SLACK = 0.2  # of the word's height: how far it may stick out of a cell that is drawn tight around its letters
BESIDE_INK = 0.25  # of the word's height: how far a cell's ink may stick out of its words
MAX_GLANCES = 24  # cells of a table whose words are compared with the ink
InkLookup = Callable[[Box], Box | None]


def own_words(cell: Box, words: Words) -> list[Word]:
    """The words that lie in the cell as a whole."""
    return [word for word in words.touching(cell) if _belongs(word.box, cell)]


class Contents(NamedTuple):
    """The box of what each cell of a table holds, None for an empty one; and whether its words count."""

    boxes: list[Box | None]
    are_by_words: bool


def cell_contents(cells: Sequence[Box], words: Words, ink: InkLookup, glance: InkLookup) -> Contents:
    """What the cells of a table hold, in the order of `cells`.

    `ink` finds the ink in a box. `glance` does so less exactly, at little cost.
    """
    own = [[] if cell.is_empty else [word.box for word in own_words(cell, words)] for cell in cells]
    owned = {word for found in own for word in found}
    if _are_beside_the_ink(cells, own, owned, words, glance):
        boxes = [_ink(cell, ink) or _around(found) for cell, found in zip(cells, own, strict=True)]
        return Contents(boxes, are_by_words=False)
    boxes = [_around(found) or _ink(_rest(cell, owned, words), ink) for cell, found in zip(cells, own, strict=True)]
    return Contents(boxes, are_by_words=True)


def _are_beside_the_ink(
    cells: Sequence[Box], own: Sequence[Sequence[Box]], owned: AbstractSet[Box], words: Words, glance: InkLookup
) -> bool:
    """Whether ink sticks out of the words in most of the cells that have both, judged by some of them."""
    with_words = [(cell, found) for cell, found in zip(cells, own, strict=True) if found]
    beside: list[bool] = []
    for cell, found in with_words[:: 1 + len(with_words) // MAX_GLANCES]:
        seen = _ink(_rest(cell, owned - set(found), words), glance)
        if seen is not None:
            strangers = (word.box.intersection(cell) for word in words.touching(cell) if word.box not in owned)
            explained = union([*found, *strangers])
            slack = BESIDE_INK * max(word.height for word in found)
            beside.append(union([_grown(explained, slack), seen]) != _grown(explained, slack))
    return 2 * sum(beside) > len(beside)


def _rest(cell: Box, owned: AbstractSet[Box], words: Words) -> Box:
    """The cell without the words of other cells that reach into it, each cut off at the side where that costs least."""
    rest = cell
    for word in words.touching(cell):
        if word.box in owned and not word.box.intersection(rest).is_empty:
            sides = (
                rest._replace(top=word.box.bottom),
                rest._replace(bottom=word.box.top),
                rest._replace(left=word.box.right),
                rest._replace(right=word.box.left),
            )
            rest = max(sides, key=lambda side: side.area)
    return rest


def _ink(box: Box, ink: InkLookup) -> Box | None:
    return None if box.is_empty else ink(box)


def _around(words: Sequence[Box]) -> Box | None:
    return union(words) if words else None


def _belongs(word: Box, cell: Box) -> bool:
    # Annotators draw cells tight around the letters, while a word's box has the font's full height. Without slack, 60 %
    # of the cells of the ICDAR 2013 documents would count as empty; with it, each of the 3,743 has exactly its words.
    return word.intersection(_grown(cell, WORD_SLACK * word.height)).area > WORD_IN_CELL * word.area


def _grown(box: Box, by: float) -> Box:
    return Box(box.left - by, box.top - by, box.right + by, box.bottom + by)
