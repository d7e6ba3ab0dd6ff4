"""Boxes in image pixels: origin top-left, x to the right, y down; a box covers left <= x < right, top <= y < bottom."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle. Coordinates are fractional until `rounded_out`."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Square pixels; 0 where the box is empty or turned inside out."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def is_empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    def intersection(self, other: "Box") -> "Box":
        """What both cover; empty (`is_empty`) where they do not meet."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def scaled(self, x: float, y: float) -> "Box":
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def shifted(self, x: float, y: float) -> "Box":
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def rounded_out(self) -> "Box":
        """The smallest box of whole pixels around this one; a thousandth of a pixel counts as none."""
        return Box(
            math.floor(self.left + 1e-3),
            math.floor(self.top + 1e-3),
            math.ceil(self.right - 1e-3),
            math.ceil(self.bottom - 1e-3),
        )


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them. Raises ValueError for none."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


class Words:
    """The boxes of a page's words: a page has a thousand, and as many cells may ask."""

    def __init__(self, words: Iterable[Box]) -> None:
        self._words = sorted(words, key=lambda word: word.top)
        self._tops = [word.top for word in self._words]
        self._tallest = max((word.height for word in self._words), default=0.0)

    def touching(self, box: Box) -> list[Box]:
        """The words that share an area with `box`."""
        first = bisect_left(self._tops, box.top - self._tallest)
        last = bisect_left(self._tops, box.bottom)
        return [
            word
            for word in self._words[first:last]
            if word.left < box.right and word.right > box.left and word.bottom > box.top
        ]
