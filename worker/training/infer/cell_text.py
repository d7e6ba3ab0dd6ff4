"""Assigns the words of the text layer to the detected cells. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from training.geometry import Box, Word, Words, union

IN_CELL = 0.5  # a word belongs to the cell that holds most of it, if that is more than this fraction of its area
SAME_LINE = 0.5  # a word is in the line with which it shares more than this fraction of the smaller height


class CellText(NamedTuple):
    """A cell's box, grown to hold its words, and their text, with line breaks between lines, spaces between words."""

    box: Box
    text: str


def read_cells(cells: Sequence[Box], page_words: Iterable[Word]) -> list[CellText]:
    """The text of each cell, in the order of `cells`; all boxes are in pixels.

    A word that sticks out of its cell makes the cell larger, since readers of the result do not count a word that is
    cut as one of the cell.
    """
    words = Words(page_words)
    owners: dict[Word, tuple[float, int]] = {}
    for index, cell in enumerate(cells):
        for word in words.touching(cell):
            part = word.box.intersection(cell).area / word.box.area
            if part > max(IN_CELL, owners.get(word, (0.0, 0))[0]):
                owners[word] = (part, index)
    of_cell: list[list[Word]] = [[] for _ in cells]
    for word, (_, index) in owners.items():
        of_cell[index].append(word)
    return [
        CellText(
            union([cell, *(word.box for word in found)]),
            "\n".join(" ".join(word.text for word in line) for line in _lines(found)),
        )
        for cell, found in zip(cells, of_cell, strict=True)
    ]


def _lines(words: Sequence[Word]) -> list[list[Word]]:
    """The words line by line, each line from left to right."""
    lines: list[tuple[Box, list[Word]]] = []  # each with the box around it
    for word in sorted(words, key=lambda word: (word.box.top + word.box.bottom, word.box.left)):
        box = word.box
        if lines:
            around, line = lines[-1]
            shared = min(around.bottom, box.bottom) - max(around.top, box.top)
            if shared > SAME_LINE * min(around.height, box.height):
                line.append(word)
                lines[-1] = union([around, box]), line
                continue
        lines.append((box, [word]))
    return [sorted(line, key=lambda word: word.box.left) for _, line in lines]
