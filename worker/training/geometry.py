"""Boxes in image pixels: origin top-left, x to the right, y down; a box covers left <= x < right, top <= y < bottom."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in pixels. Coordinates may be fractional; `rounded_out` makes them whole."""

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
        """In square pixels; 0 if the box is empty or its edges are in the wrong order."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def is_empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    def intersection(self, other: "Box") -> "Box":
        """The area that both boxes cover; `is_empty` if they do not overlap."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def iou(self, other: "Box") -> float:
        """The area that both cover, as a part of the area that either covers; 0 for boxes without area."""
        common = self.intersection(other).area
        return common / (self.area + other.area - common) if common else 0.0

    def scaled(self, x: float, y: float) -> "Box":
        return Box(self.left * x, self.top * y, self.right * x, self.bottom * y)

    def shifted(self, x: float, y: float) -> "Box":
        return Box(self.left + x, self.top + y, self.right + x, self.bottom + y)

    def grown(self, by: float) -> "Box":
        """The box with each edge moved outwards."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def has_middle_of(self, other: "Box") -> bool:
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x < self.right and self.top <= y < self.bottom

    def turned(self, angle: int, width: float, height: float) -> "Box":
        """Where the box lies after its page of `width` x `height` was turned clockwise by 0, 90, 180 or 270 degrees."""
        if angle == 90:
            return Box(height - self.bottom, self.left, height - self.top, self.right)
        if angle == 180:
            return Box(width - self.right, height - self.bottom, width - self.left, height - self.top)
        if angle == 270:
            return Box(self.top, width - self.right, self.bottom, width - self.left)
        return self

    def rounded_out(self) -> "Box":
        """The smallest box of whole pixels around this one; overhangs of up to a thousandth of a pixel are ignored."""
        return Box(
            math.floor(self.left + 1e-3),
            math.floor(self.top + 1e-3),
            math.ceil(self.right - 1e-3),
            math.ceil(self.bottom - 1e-3),
        )


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all `boxes`. Raises ValueError if there are none."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


class Word(NamedTuple):
    """A word of a page's text layer, and the box around it."""

    box: Box
    text: str


class Words:
    """A page's words, sorted for fast lookup: a page may have a thousand words and as many cells."""

    def __init__(self, words: Iterable[Word]) -> None:
        self._words = sorted(words, key=lambda word: word.box.top)
        self._tops = [word.box.top for word in self._words]
        self._tallest = max((word.box.height for word in self._words), default=0.0)

    def __len__(self) -> int:
        return len(self._words)

    def touching(self, box: Box) -> list[Word]:
        """The words that overlap `box`."""
        first = bisect_left(self._tops, box.top - self._tallest)
        last = bisect_left(self._tops, box.bottom)
        return [
            word
            for word in self._words[first:last]
            if word.box.left < box.right and word.box.right > box.left and word.box.bottom > box.top
        ]
