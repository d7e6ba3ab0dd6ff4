"""Recognises a text layer that is garbled: its fonts do not say which characters their glyphs are. Pure.

Such a layer has another character in place of each, always the same one: `Sfhjpo` for `Region`. So it says nothing
about where texts are. Another page or another PDF gives other texts, but never one code for all of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

MIN_CHARACTERS = 20  # that occur again: fewer may fall into one code by chance
MIN_CODED = 0.9  # fraction of them: a table has cells in bold, whose font has a code of its own
MIN_ALIKE = 0.5  # fraction of the texts that have as many characters as what was found


def is_garbled(texts: Iterable[tuple[str, str]]) -> bool:
    """Whether one code turns the texts that annotators wrote into those that were found in their cells."""
    different = set(texts)
    pairs = [pair for text, found in different if (pair := _aligned(text, found))]
    if len(pairs) < MIN_ALIKE * len(different):
        return False
    characters = {pair: list(zip(*pair, strict=True)) for pair in pairs}
    coded = [item for items in characters.values() for item in items]
    return _is_code(coded) and _is_code([(found, written) for written, found in coded])


def _aligned(text: str, found: str) -> tuple[str, str] | None:
    """The two texts if each character has one that stands for it; the code may hide the spaces."""
    written, other = "".join(text.split()), "".join(found.split())
    spaced = " ".join(text.split())
    return next(((one, other) for one in (written, spaced) if len(one) == len(other)), None)


def _is_code(characters: Sequence[tuple[str, str]]) -> bool:
    """Whether characters that occur again have the same other character in nearly all places."""
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for one, other in characters:
        codes[one][other] += 1
    again = {one: others for one, others in codes.items() if others.total() > 1}
    coded = sum(
        max((count for other, count in others.items() if other != one), default=0) for one, others in again.items()
    )
    total = sum(others.total() for others in again.values())
    return total >= MIN_CHARACTERS and coded >= MIN_CODED * total
