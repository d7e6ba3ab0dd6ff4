"""A rendered page's image, decoded as rarely and as small as possible: decoding a page costs a third of drawing it."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from PIL import Image

from training.documents.ink import (
    CONTRAST,
    MIN_INK_SIDE,
    Look,
    blank_tail,
    ink_box,
    ink_share,
    is_blank,
    is_ink_whole,
    words_without_ink,
)
from training.geometry import Box, Word

REDUCTION = 2  # half the size is enough for people to look at, and a JPEG decodes to it at half the cost
SMALL = Look(contrast=CONTRAST // 2, min_side=MIN_INK_SIDE // REDUCTION)  # blurred, but not less inked
WITHOUT_RULES = Look(min_side=MIN_INK_SIDE // REDUCTION, rule_zone=0.5)
STRONG = Look(strong=True)


class PageImage:
    """The image file of one page."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def small(self) -> Image.Image:
        """The page at half its size, in RGB. Draw on it last: the other properties and methods read it too."""
        with Image.open(self._path) as image:
            size = (image.width // REDUCTION, image.height // REDUCTION)
            image.draft("RGB", size)
            image.load()
            picture = image if image.mode == "RGB" else image.convert("RGB")
        # Unlike a JPEG, a PNG cannot be decoded at a smaller size.
        return picture if abs(picture.width - size[0]) <= REDUCTION else picture.reduce(REDUCTION)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is drawn on the page."""
        return is_blank(self._small_grey)

    def ink(self, cell: Box) -> Box | None:
        """The box around the ink in a cell, or None if there is no ink; both boxes in pixels of the full-size page."""
        # Most cells without words are empty, and the small page is enough to see that. Otherwise the full page decides.
        return None if self._small_ink(cell, SMALL) is None else ink_box(self._grey, cell)

    def strong_ink(self, cell: Box) -> Box | None:
        """What `ink` finds, without ink that is faint beside the strongest in the cell."""
        return None if self._small_ink(cell, SMALL) is None else ink_box(self._grey, cell, STRONG)

    def ink_share(self, cell: Box, part: Box) -> float | None:
        """The fraction of a cell's ink that lies in a `part` of the page; None without ink.

        Ruling lines are left out, wherever they are in the cell. Unlike `ink`, it never decodes the full-size page.
        """
        small_cell, small_part = (box.scaled(1 / REDUCTION, 1 / REDUCTION) for box in (cell, part))
        return ink_share(self._small_grey, small_cell, small_part, WITHOUT_RULES)

    def is_ink_whole(self, cell: Box) -> bool | None:
        """Whether the ink in a cell ends within it; None without ink. The box is in pixels of the full-size page."""
        return is_ink_whole(self._grey, cell)

    def words_without_ink(self, words: Iterable[Word]) -> list[Word]:
        """The words under which nothing is drawn, their boxes in pixels of the full-size page."""
        return words_without_ink(self._small_grey, words, scale=1 / REDUCTION)

    def blank_tail(self, area: Box) -> int:
        """How many pixel rows at the lower end of an area are blank; all in pixels of the full-size page."""
        return blank_tail(self._small_grey, area.scaled(1 / REDUCTION, 1 / REDUCTION)) * REDUCTION

    def _small_ink(self, cell: Box, look: Look) -> Box | None:
        return ink_box(self._small_grey, cell.scaled(1 / REDUCTION, 1 / REDUCTION), look)

    @cached_property
    def _small_grey(self) -> Image.Image:
        return self.small.convert("L")

    @cached_property
    def _grey(self) -> Image.Image:
        with Image.open(self._path) as image:
            image.draft("L", image.size)
            image.load()
            return image if image.mode == "L" else image.convert("L")
