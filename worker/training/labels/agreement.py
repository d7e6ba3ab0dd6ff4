"""How well the texts that annotators wrote into cells agree with the words found in the cells' boxes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.geometry import Box, Words
from training.labels.content import own_words, text_of
from training.labels.garbled import is_garbled
from training.labels.texts import SIMILAR, Difference, is_comparable, normalised, similarity

MIN_TEXTS = 5  # to judge by: fewer that differ are slips of single cells
MIN_TEXTS_OF_NONE = 2  # to judge a document by if none of its texts fits


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


def total(agreements: Iterable[Agreement]) -> Agreement:
    """The sum over several pages."""
    return sum(agreements, start=Agreement())


def agreement(cells: Sequence[tuple[str, Box]], words: Words) -> Agreement:
    """Compares each cell's text with the words in its box."""
    return compare((text, text_of(own_words(box, words))) for text, box in cells)


def compare(texts: Iterable[tuple[str, str]]) -> Agreement:
    """Compares cells' texts with what was found in them.

    Where one of the two is empty, that says nothing. Neither do texts that differ as those of a garbled text layer do.
    """
    agrees: dict[str, list[bool]] = {}
    differing: dict[str, Difference] = {}
    pairs = [(text, found) for text, found in texts if text.strip() and found.strip()]
    unlike = {pair for pair in pairs if similarity(*pair) < SIMILAR}
    garbled = unlike if is_garbled(unlike) else ()
    for text, found in pairs:
        if (text, found) not in garbled and is_comparable(text, found):
            is_unlike = (text, found) in unlike
            agrees.setdefault(normalised(text), []).append(not is_unlike)
            if is_unlike:
                differing.setdefault(normalised(found), Difference(text, found))
    agreeing = sum(2 * sum(each) > len(each) for each in agrees.values())
    differ = min(len(agrees) - agreeing, len(differing))
    return Agreement(agreeing + differ, agreeing, next(iter(differing.values()), None))
