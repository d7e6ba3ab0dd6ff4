"""The words of a page's text layer, found by place. Pure."""

from bisect import bisect_left
from collections.abc import Iterable

from training.geometry import Box


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
