"""A page's boxes: which of them is drawn, and how large it is then. Pure.

A PDF page has a MediaBox, which is the sheet, and may have a CropBox, the part of it that viewers show. `/Rotate` turns
the page for display, and `/UserUnit` says how many points one unit of its boxes has (PDF 32000-1, 7.7.3.3 and 14.11.2).
"""

import enum
import math
from dataclasses import dataclass

from training.geometry import Box

POINTS_PER_INCH = 72


class PageBox(enum.StrEnum):
    """A box of a page that can be drawn."""

    MEDIA = "media"
    CROP = "crop"

    @property
    def pdf_name(self) -> str:
        return "MediaBox" if self is PageBox.MEDIA else "CropBox"


@dataclass(frozen=True)
class PageSize:
    """The size in points of what is drawn of a page, after rotation, and how it is drawn.

    `is_cropped` means that it is the CropBox. `user_unit` is the number of points in one unit of the page's boxes; it
    is contained in the size, but poppler does not know of it.
    """

    width_pt: float
    height_pt: float
    user_unit: float = 1.0
    is_cropped: bool = False

    def pixels(self, dpi: int) -> tuple[int, int]:
        """Width and height of the image, as pdftoppm rounds them."""
        return math.ceil(self.width_pt * dpi / POINTS_PER_INCH), math.ceil(self.height_pt * dpi / POINTS_PER_INCH)


@dataclass(frozen=True)
class PageGeometry:
    """A page's boxes in points (after UserUnit), turned by `rotation` degrees clockwise as they are drawn.

    They count from the top left corner of the MediaBox as it is drawn. Without a CropBox, `crop` equals `media`.
    """

    media: Box
    crop: Box
    rotation: int = 0
    user_unit: float = 1.0

    @classmethod
    def of_pdf(cls, media: Box, crop: Box, *, rotation: int, user_unit: float = 1.0) -> "PageGeometry":
        """From the boxes as a PDF has them, not turned: in units, y up, so that `top` is the lower edge.

        A CropBox without area counts as none, as in viewers.
        """
        sheet = Box(0, 0, media.width, media.height)
        visible = Box(
            crop.left - media.left, media.bottom - crop.bottom, crop.right - media.left, media.bottom - crop.top
        )
        shown = sheet if visible.is_empty else visible
        angle = rotation % 360
        drawn = [box.turned(angle, sheet.width, sheet.height).scaled(user_unit, user_unit) for box in (sheet, shown)]
        return cls(drawn[0], drawn[1], angle, user_unit)

    def box(self, which: PageBox) -> Box:
        return self.media if which is PageBox.MEDIA else self.crop

    def size(self, which: PageBox) -> PageSize:
        """The size of the page if this box of it is drawn."""
        box = self.box(which)
        return PageSize(box.width, box.height, self.user_unit, is_cropped=box != self.media)
