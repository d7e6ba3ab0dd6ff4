"""Compares the text that annotators gave cells with the words found in their boxes. Pure."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from training.geometry import Box, Words


@dataclass(frozen=True)
class Agreement:
    compared: int
    agreeing: int
    example: tuple[str, str] | None = None


def agreement(cells: Sequence[tuple[str, Box]], words: Words) -> Agreement:
    compared = agreeing = 0
    for text, box in cells:
        mine = _normal(text)
        if not mine or not len(words):
            continue
        compared += 1
        found = sorted(
            (w for w in words.touching(box) if w.box.intersection(box).area > 0.5 * w.box.area),
            key=lambda w: (round(w.box.top), w.box.left),
        )
        agreeing += sorted(_normal("".join(w.text for w in found))) == sorted(mine)
    return Agreement(compared, agreeing)


def _normal(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
