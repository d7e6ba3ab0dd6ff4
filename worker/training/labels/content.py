"""Finds what the cells of a table hold: their own words, or the ink in them. Pure, except for callbacks that find ink.

A word is a cell's own if it lies in the cell as a whole, and if the cell's own words are not another text than the one
that annotators wrote. Any other word that touches a cell belongs to another cell, or to nobody: a watermark, a stamp,
words that the text layer joined over a ruling line. The rule:

- A cell with words of its own has their box.
- A cell without has the box of the ink in it. The edges where other cells' words reach into it are cut off first. If
  words touch the cell, ink that is faint beside the strongest one in it does not count.
- A cell in which there is no ink either has the box of all words that lie in it as a whole.
- If much ink is beside the words in most cells of a table, its words are not what is drawn there: an OCR layer that is
  out of place, or letters of a watermark over a scan. Then each of its cells has its ink.

So a word that belongs to nobody never takes a cell's content away.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from training.geometry import Box, Word, Words, union
from training.labels.texts import SIMILAR, normalised, similarity

WORD_IN_CELL = 0.95  # a word belongs to a cell that holds more than this fraction of the word's area
WORD_SLACK = 0.2  # of the word's height: how far it may stick out of a cell that is drawn tight around its letters
MIN_INK_IN_WORDS = 0.75  # fraction of a cell's ink that must lie in its words for them to be what is drawn there
MAX_GLANCES = 24  # cells of a table whose words are compared with the ink
InkLookup = Callable[[Box], Box | None]
InkShare = Callable[[Box, Box], float | None]


@dataclass(frozen=True)
class Ink:
    """Finds the box of the ink in a box: of `all` of it, or of the `strong` ink alone.

    `share` is the fraction of the ink in a box, ruling lines left out, that lies in another box; None without ink. It
    costs little, unlike the others.
    """

    all: InkLookup
    strong: InkLookup
    share: InkShare


class Contents(NamedTuple):
    """The box of what each cell of a table holds, None for an empty one, and the words that lie in it as a whole.

    `are_by_words` says whether the words of the table are what is drawn in it.
    """

    boxes: list[Box | None]
    words: list[list[Word]]
    are_by_words: bool


def own_words(cell: Box, words: Words) -> list[Word]:
    """The words that lie in the cell as a whole."""
    return [word for word in words.touching(cell) if _belongs(word.box, cell)]


def text_of(words: Sequence[Word]) -> str:
    """The text of a cell's words, from the top left."""
    return " ".join(word.text for word in sorted(words, key=lambda word: (word.box.top, word.box.left)))


def cell_contents(cells: Sequence[tuple[str, Box]], words: Words, ink: Ink) -> Contents:
    """What the cells of a table hold, in their order. Each is the text that annotators wrote, or "", and its box."""
    boxes = [box for _, box in cells]
    whole = [own_words(box, words) for box in boxes]
    own = [[] if _is_other(text, found) else _boxes(found) for (text, _), found in zip(cells, whole, strict=True)]
    owned = {word for found in own for word in found}
    are_by_words = not _are_beside_the_ink(boxes, own, owned, words, ink.share)
    contents: list[Box | None] = []
    for box, found, ours in zip(boxes, whole, own, strict=True):
        if are_by_words and ours:
            contents.append(union(ours))
        else:
            rest = _without(box, owned, words) if are_by_words else box
            contents.append(_inked(rest, words, ink) or (union(_boxes(found)) if found else None))
    return Contents(contents, whole, are_by_words)


def _boxes(words: Sequence[Word]) -> list[Box]:
    return [word.box for word in words]


def _is_other(text: str, words: Sequence[Word]) -> bool:
    """Whether the words are clearly another text than what annotators wrote."""
    found = text_of(words)
    return bool(normalised(text) and normalised(found)) and similarity(text, found) < SIMILAR


def _are_beside_the_ink(
    cells: Sequence[Box], own: Sequence[Sequence[Box]], owned: AbstractSet[Box], words: Words, share: InkShare
) -> bool:
    """Whether much ink is beside the words in most of the cells that have both, judged by some of them."""
    with_words = [(cell, found) for cell, found in zip(cells, own, strict=True) if found]
    glances = with_words[:: 1 + len(with_words) // MAX_GLANCES]
    beside = within = 0
    for seen, (cell, found) in enumerate(glances):
        if abs(beside - within) > len(glances) - seen:
            break  # those that are left cannot change the answer
        rest = _without(cell, owned - set(found), words)
        # What belongs to nobody may be drawn there as well.
        strangers = (word.box.intersection(cell) for word in words.touching(cell) if word.box not in owned)
        part = None if rest.is_empty else share(rest, union([*found, *strangers]))
        if part is not None:
            beside += part < MIN_INK_IN_WORDS
            within += part >= MIN_INK_IN_WORDS
    return beside > within


def _without(cell: Box, others: AbstractSet[Box], words: Words) -> Box:
    """The cell without the other cells' words that reach into it, each cut off at the side where that costs least."""
    rest = cell
    for word, _ in words.touching(cell):
        if word in others and not word.intersection(rest).is_empty:
            sides = (
                rest._replace(top=word.bottom),
                rest._replace(bottom=word.top),
                rest._replace(left=word.right),
                rest._replace(right=word.left),
            )
            rest = max(sides, key=lambda side: side.area)
    return rest


def _inked(box: Box, words: Words, ink: Ink) -> Box | None:
    if box.is_empty:
        return None
    return (ink.strong(box) if words.touching(box) else None) or ink.all(box)


def _belongs(word: Box, cell: Box) -> bool:
    # Annotators draw cells tight around the letters, while a word's box has the font's full height. Without slack, 60 %
    # of the cells of the ICDAR 2013 documents would count as empty; with it, each of the 3,743 has exactly its words.
    return word.intersection(cell.grown(WORD_SLACK * word.height)).area > WORD_IN_CELL * word.area
