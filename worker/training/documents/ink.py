"""Finds ink on a rendered page: in a scanned page without a text layer, a cell's ink stands for its text.

And where there is none though there should be: words of the text layer on nothing, a picture that ends too soon.
"""

import math
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from PIL import Image

from training.geometry import Box, Word

CONTRAST = 60  # grey levels from the background; JPEG's noise stays below 20
RULE_COVERAGE = 0.8  # a pixel row or column with at least this fraction of ink is a ruling line, not text
STRONG_PART = 0.6  # of the contrast of the strongest ink: a pale watermark has less
HIDDEN_RULE_COVERAGE = 0.4  # the same where something else covers a part of the line
RULE_ZONE = 0.2  # ruling lines are looked for in the outer fifth of a cell, on each side
MIN_INK_SIDE = 2  # pixels; smaller specks are dirt
EDGE_SLACK = 2  # pixels: annotators draw cells tight around the letters
FLAT = 16  # grey levels; the faintest of 30,000 words of real documents has 52 at half the size, JPEG's noise below 10
WORD_MARGIN = 0.15  # of a word's height above and below: there are rules, and the letters of other lines
_SYMBOL_SPACES = "\uf020\uf0a0"  # what the spaces of a symbol font become


class Look(NamedTuple):
    """What counts as ink, and what as a ruling line.

    `contrast` is in grey levels, `min_side` in pixels, `rule_zone` a fraction of the cell, on each side. With `strong`,
    ink must have most of the contrast of the strongest in the cell, as text has, but not a pale watermark over it.
    """

    contrast: int = CONTRAST
    min_side: int = MIN_INK_SIDE
    rule_zone: float = RULE_ZONE
    strong: bool = False


PLAIN = Look()


def ink_box(page: Image.Image, cell: Box, look: Look = PLAIN) -> Box | None:
    """The box around the ink in the cell, without the ruling lines along its edges, or None if there is no ink.

    `page` is a grey image ("L"), `cell` a box in its pixels. Light text on a dark ground counts as ink too.
    """
    found = _find_ink(page, cell, look)
    return None if found is None else found.ink


def is_ink_whole(page: Image.Image, cell: Box) -> bool | None:
    """Whether the ink in the cell ends within it, or at ruling lines; None without ink, False if an edge cuts it."""
    found = _find_ink(page, cell.grown(EDGE_SLACK), PLAIN)
    if found is None:
        return None
    ink, inner = found.ink, found.between_rules
    is_inside = ink.left > inner.left and ink.top > inner.top
    return is_inside and ink.right < inner.right and ink.bottom < inner.bottom


def ink_share(page: Image.Image, cell: Box, part: Box, look: Look = PLAIN) -> float | None:
    """The fraction of a cell's ink, ruling lines left out, that lies in a `part` of the page; None without ink."""
    found = _find_ink(page, cell, look)
    if found is None:
        return None
    inside = part.rounded_out().shifted(-found.ink.left, -found.ink.top)
    counted = (found.inked, found.inked.crop((inside.left, inside.top, inside.right, inside.bottom)))
    whole, shared = (image.histogram()[255] for image in counted)
    return shared / whole


class _Found(NamedTuple):
    """The box around the ink of a cell, what of the cell lies between its ruling lines, and the ink in its box: 255."""

    ink: Box
    between_rules: Box
    inked: Image.Image


def _find_ink(page: Image.Image, cell: Box, look: Look) -> _Found | None:
    area = cell.rounded_out().intersection(Box(0, 0, page.width, page.height))
    if area.is_empty:
        return None
    crop = page.crop((int(area.left), int(area.top), int(area.right), int(area.bottom)))
    histogram = crop.histogram()
    background = histogram.index(max(histogram))
    inked = _inked(crop, background, look.contrast)
    coverage = HIDDEN_RULE_COVERAGE if look.strong else RULE_COVERAGE
    left, right = _between_rules(inked.resize((inked.width, 1), Image.Resampling.BOX), look.rule_zone, coverage)
    top, bottom = _between_rules(inked.resize((1, inked.height), Image.Resampling.BOX), look.rule_zone, coverage)
    if left >= right or top >= bottom:
        return None
    if look.strong:
        levels = (level for level, count in enumerate(crop.crop((left, top, right, bottom)).histogram()) if count)
        strongest = max(abs(level - background) for level in levels)
        inked = _inked(crop, background, max(look.contrast, STRONG_PART * strongest))
    between = inked.crop((left, top, right, bottom))
    found = between.getbbox()
    if found is None or found[2] - found[0] < look.min_side or found[3] - found[1] < look.min_side:
        return None
    inner = Box(left, top, right, bottom).shifted(area.left, area.top)
    return _Found(Box(*found).shifted(inner.left, inner.top), inner, between.crop(found))


def _inked(crop: Image.Image, background: int, contrast: float) -> Image.Image:
    return crop.point(_ink_levels(background, contrast))


@lru_cache(maxsize=256)
def _ink_levels(background: int, contrast: float) -> list[int]:
    """255 for each grey level that is ink on this background, 0 for the others."""
    return [255 if abs(level - background) > contrast else 0 for level in range(256)]


def is_blank(page: Image.Image) -> bool:
    """Whether nothing is drawn on a grey page."""
    darkest, lightest = page.getextrema()
    return float(lightest) - float(darkest) <= CONTRAST  # type: ignore[arg-type]


def needs_ink(text: str) -> bool:
    """Whether something must be drawn: a letter, a digit, or a character that only its font knows (private use)."""
    return any(
        character.isalnum() or (unicodedata.category(character) == "Co" and character not in _SYMBOL_SPACES)
        for character in text
    )


def words_without_ink(page: Image.Image, words: Iterable[Word], *, scale: float = 1) -> list[Word]:
    """The words that need ink where the grey page shows one even colour.

    The words' boxes times `scale` are pixels of the page. Words beyond its edges are left out: nobody sees them.
    """
    # A page may have thousands of words, and a look at the row through the middle shows nearly all of them.
    grey = page.tobytes()
    hidden = []
    for word in words:
        left, top, right, bottom = word.box
        margin = (bottom - top) * WORD_MARGIN
        first, last = max(0, int(left * scale)), min(page.width, math.ceil(right * scale))
        rows = range(max(0, int((top + margin) * scale)), min(page.height, math.ceil((bottom - margin) * scale)))
        if first >= last or not rows:
            continue
        seen = b""
        for row in (rows[len(rows) // 2], *rows):
            seen += grey[row * page.width + first : row * page.width + last]
            if max(seen) - min(seen) > FLAT:
                break
        else:
            if needs_ink(word.text):
                hidden.append(word)
    return hidden


def blank_tail(page: Image.Image, area: Box) -> int:
    """How many pixel rows at the lower end of an area of the grey page are of one even colour, from edge to edge."""
    area = area.rounded_out().intersection(Box(0, 0, page.width, page.height))
    if area.is_empty:
        return 0
    crop = page.crop((int(area.left), int(area.top), int(area.right), int(area.bottom)))
    lowest = crop.getpixel((0, crop.height - 1))
    found = crop.point([255 if abs(level - lowest) > FLAT else 0 for level in range(256)]).getbbox()  # type: ignore[operator]
    return crop.height if found is None else crop.height - found[3]


def _between_rules(profile: Image.Image, rule_zone: float, coverage: float) -> tuple[int, int]:
    """Start and end of what lies between the ruling lines in a profile (one row or column of mean ink, 0..255)."""
    ink = profile.tobytes()
    zone = max(2, round(len(ink) * rule_zone))
    first, last = 0, len(ink)
    for position in range(min(zone, len(ink))):
        if ink[position] >= coverage * 255:
            first = position + 1
        if ink[-1 - position] >= coverage * 255:
            last = len(ink) - 1 - position
    return first, last
