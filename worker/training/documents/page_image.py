"""A rendered page, decoded as seldom and as small as will do: decoding a page costs a third of drawing it."""

from functools import cached_property
from pathlib import Path

from PIL import Image

from training.documents.ink import CONTRAST, MIN_INK_SIDE, ink_box, is_blank
from training.geometry import Box

REDUCTION = 2  # half the size is enough to look at, and a JPEG decodes to it at half the cost


class PageImage:
    """The image file of one page."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def small(self) -> Image.Image:
        """The page at half its size, in RGB, to draw on: everything else must have looked at it before."""
        with Image.open(self._path) as image:
            size = (image.width // REDUCTION, image.height // REDUCTION)
            image.draft("RGB", size)
            image.load()
            picture = image if image.mode == "RGB" else image.convert("RGB")
        # A PNG has no smaller self to be decoded to.
        return picture if abs(picture.width - size[0]) <= REDUCTION else picture.reduce(REDUCTION)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is drawn on the page."""
        return is_blank(self._small_grey)

    def ink(self, cell: Box) -> Box | None:
        """The box around the ink in a cell, or None where there is none; both in pixels of the page."""
        # Most cells without words are empty, which the small page tells; where it does not, the whole page decides.
        small_cell = cell.scaled(1 / REDUCTION, 1 / REDUCTION)
        if ink_box(self._small_grey, small_cell, contrast=CONTRAST // 2, min_side=MIN_INK_SIDE // REDUCTION) is None:
            return None
        return ink_box(self._grey, cell)

    @cached_property
    def _small_grey(self) -> Image.Image:
        return self.small.convert("L")

    @cached_property
    def _grey(self) -> Image.Image:
        with Image.open(self._path) as image:
            image.draft("L", image.size)
            image.load()
            return image if image.mode == "L" else image.convert("L")
