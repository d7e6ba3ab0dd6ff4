"""Finds the scale from annotations to image pixels, since the JSON does not name the unit of its boxes. Pure."""

import re
from dataclasses import dataclass

from training.badgerdoc.document import Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.errors import ConfigError
from training.geometry import Box

POINTS_PER_INCH = 72
MIN_DPI, MAX_DPI = 36, 1200


@dataclass(frozen=True)
class Coordinates:
    """The unit of the boxes: their stated resolution `dpi`, or None to derive it from each page's own box."""

    dpi: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """Parses `auto`, `points`, or a resolution such as `400dpi`. Raises ConfigError for anything else."""
        if text == "auto":
            return cls()
        if text == "points":
            return cls(POINTS_PER_INCH)
        found = re.fullmatch(r"(\d{1,6})dpi", text)
        if not found or not MIN_DPI <= int(found[1]) <= MAX_DPI:
            raise ConfigError(
                f"--coordinates is {text!r}; write auto, points, or the resolution from {MIN_DPI}dpi to {MAX_DPI}dpi."
            )
        return cls(int(found[1]))

    def __str__(self) -> str:
        if self.dpi is None:
            return "auto"
        return "points" if self.dpi == POINTS_PER_INCH else f"{self.dpi}dpi"


AUTO = Coordinates()
SAME_SIZE_PX = 2  # page sizes that differ by rounding only
SCALE_TOLERANCE = 0.01  # fraction by which the scales in x and y may differ
OUTSIDE_TOLERANCE = 0.01  # fraction of the page's side by which a box may reach over the page's edge


@dataclass(frozen=True)
class Scale:
    """Pixels of the image per pixel of the page that the annotators saw, in x and y.

    `doubtful` means that the page's box has the shape of the page before rotation. The boxes in it are then assumed to
    fit the page as drawn, as they do in files from viewers; the content of the cells must confirm that.
    """

    x: float
    y: float
    doubtful: bool = False


def page_scale(page: Page, width: int, height: int, *, dpi: int, coordinates: Coordinates) -> Scale:
    """The scale from the page's boxes to its image of `width` x `height` pixels, drawn at `dpi`.

    The JSON does not name its resolution; if `coordinates` does not either, it follows from the page's box. Raises
    DocumentError (coordinates) if the box is missing or of another shape, or contradicts `coordinates`.
    """
    box = page.bbox
    if box is None or box.width <= 0 or box.height <= 0:
        if coordinates.dpi is not None:
            return Scale(dpi / coordinates.dpi, dpi / coordinates.dpi)
        raise DocumentError(
            Reason.COORDINATES,
            f"Page {page.page_num} has tables but no size (bbox), so their coordinates have no unit; add it, or state "
            "the unit with --coordinates.",
        )
    if (box.left, box.top) != (0, 0):
        raise DocumentError(
            Reason.COORDINATES,
            f"The bbox of page {page.page_num} begins at ({box.left:g}, {box.top:g}), so it is unclear where its boxes "
            "count from; they must count from its top left corner, (0, 0).",
        )
    shapes = ((box.width, box.height, False), (box.height, box.width, True))
    if coordinates.dpi is not None:
        stated = dpi / coordinates.dpi
        for box_width, box_height, turned in shapes:
            if _is_about(box_width * stated, width) and _is_about(box_height * stated, height):
                return Scale(stated, stated, turned)
        raise DocumentError(
            Reason.COORDINATES,
            f"Page {page.page_num} is {box.width:g} x {box.height:g} in the JSON, with --coordinates {coordinates} "
            f"{box.width * stated:.6g} x {box.height * stated:.6g} pixels, but its image has {width} x {height}; state "
            "the unit that the JSON was made in.",
        )
    for box_width, box_height, turned in shapes:
        if abs(box_width - width) <= SAME_SIZE_PX and abs(box_height - height) <= SAME_SIZE_PX:
            return Scale(1.0, 1.0, turned)
        scale = Scale(width / box_width, height / box_height, turned)
        if abs(scale.x / scale.y - 1) <= SCALE_TOLERANCE:
            return scale
    raise mismatch(page, width, height)


def _is_about(size: float, image_size: int) -> bool:
    return abs(size - image_size) <= max(SAME_SIZE_PX, SCALE_TOLERANCE * image_size)


def mismatch(page: Page, width: int, height: int) -> DocumentError:
    size = f"{page.bbox.width:g} x {page.bbox.height:g}" if page.bbox else "of no size"
    return DocumentError(
        Reason.COORDINATES,
        f"Page {page.page_num} is {size} in the JSON but {width} x {height} as an "
        "image, another shape; is the PDF the one that was annotated, and turned as it was?",
    )


@dataclass(frozen=True)
class Projection:
    """Converts boxes of the JSON to image pixels. Raises DocumentError (coordinates) for a box outside the image."""

    scale: Scale
    width: int
    height: int

    def __call__(self, box: PixelBox, where: str) -> Box:
        raw = box.box.scaled(self.scale.x, self.scale.y)
        x_slack, y_slack = self.width * OUTSIDE_TOLERANCE, self.height * OUTSIDE_TOLERANCE
        outside = raw.left < -x_slack or raw.right > self.width + x_slack
        if outside or raw.top < -y_slack or raw.bottom > self.height + y_slack:
            edges = ", ".join(f"{edge:.6g}" for edge in raw)  # an edge may be infinite: the product of large numbers
            raise DocumentError(
                Reason.COORDINATES,
                f"The bbox of {where} reaches to ({edges}), outside the image of {self.width} x {self.height} pixels; "
                "correct it, or the bbox of its page.",
            )
        return raw.intersection(Box(0, 0, self.width, self.height))
