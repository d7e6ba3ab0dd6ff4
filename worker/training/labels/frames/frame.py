"""The frames that the boxes of a JSON may be in, and how boxes come from a frame to image pixels. Pure.

A JSON does not say what its boxes count from. Tools differ in the box of the page that they show (MediaBox or CropBox),
in whether they apply `/Rotate`, and in their resolution; some of them give all pages the size of the first. A page's
own box, its size in the JSON, tells the resolution and which frames are possible.
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from training.badgerdoc.document import Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageBox, PageGeometry
from training.errors import ConfigError
from training.geometry import Box

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
ROUNDING_PX = 1  # how much a side in whole pixels may differ from the page: tools round up, down or to the nearest
ROUNDING = 0.001  # the same for a side with a fraction, as a fraction of it
MAX_ROUNDING = 0.1  # of the side: a page of a few pixels has no shape
SCALE_TOLERANCE = 0.01  # fraction by which the scales in x and y may differ if rounding does not explain it
MAX_WHOLE_DPI = 100_000  # beyond, a whole number tells nothing
MIN_WHOLE_DPI = 18  # boxes in whole pixels of fewer to the inch are off by more than two points
OUTSIDE_TOLERANCE = 0.01  # fraction of the page's side by which a box may reach over the page's edge
FRAME_CHOICES = ("auto", *(box.value for box in PageBox))


class Turn(enum.Enum):
    """How the boxes and the page's own box lie to the page as it is drawn, that is after `/Rotate`."""

    AS_DRAWN = enum.auto()
    BEFORE_ROTATION = enum.auto()  # both are of the page before it is turned
    SIZE_BEFORE_ROTATION = enum.auto()  # the page's own box is of the page before it is turned, the boxes are not


@dataclass(frozen=True)
class Frame:
    """What the boxes of a document count from.

    `of_first_page` means that each page's own box is that of the first page. `in_units` means that a resolution that
    is stated counts the units of a page with a UserUnit, instead of points.
    """

    box: PageBox = PageBox.MEDIA
    turn: Turn = Turn.AS_DRAWN
    of_first_page: bool = False
    in_units: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether pages are as drawn, each of its own size; any other frame needs the content to confirm it."""
        return self.turn is Turn.AS_DRAWN and not self.of_first_page

    def describe(self, page: int, geometries: Sequence[PageGeometry]) -> str:
        """The frame of a page in words, such as `CropBox 476 x 674 pt before its rotation`."""
        geometry = geometries[0 if self.of_first_page else page]
        width, height = _size_pt(geometry, self)
        parts = [f"{self.box.pdf_name} {width:.0f} x {height:.0f} pt"]
        if geometry.user_unit != 1:
            parts.append(f"in units of {geometry.user_unit:g} pt" if self.in_units else "with its UserUnit")
        if geometry.rotation and self.turn is Turn.BEFORE_ROTATION:
            parts.append("before its rotation")
        elif geometry.rotation % 180 and self.turn is Turn.SIZE_BEFORE_ROTATION:
            parts.append("before its rotation but with boxes after it")
        if self.of_first_page:
            parts.append("of the first page")
        return " ".join(parts)


PLAIN = Frame()


def describe(frames: Sequence[Frame], page: int, geometries: Sequence[PageGeometry]) -> str:
    """All frames of a page in words, for the sentence that tells what was tried."""
    return ", ".join(dict.fromkeys(f"as {frame.describe(page, geometries)}" for frame in frames))


def possible_frames(
    geometries: Sequence[PageGeometry], pages: Sequence[int], box: PageBox | None, coordinates: Coordinates
) -> list[Frame]:
    """The frames that may differ for a document with these annotated pages; `box` is stated, or None.

    A document without CropBoxes, rotated pages, UserUnits or pages of several sizes has one frame alone.
    """
    annotated = [geometries[page] for page in pages]
    boxes = [box] if box else [PageBox.MEDIA]
    if box is None and any(page.crop != page.media for page in annotated):
        boxes.append(PageBox.CROP)
    turns = [Turn.AS_DRAWN]
    if any(page.rotation for page in annotated):
        turns.append(Turn.BEFORE_ROTATION)
    if any(page.rotation % 180 for page in annotated):
        turns.append(Turn.SIZE_BEFORE_ROTATION)
    of_first = [False]
    if any((page.media, page.crop) != (geometries[0].media, geometries[0].crop) for page in annotated):
        of_first.append(True)
    in_units = [False]
    if coordinates.dpi is not None and any(page.user_unit != 1 for page in annotated):
        in_units.append(True)
    return [Frame(*choice) for choice in product(boxes, turns, of_first, in_units)]


@dataclass(frozen=True)
class Placement:
    """Brings a page's boxes from a frame to image pixels: scaled, then turned, then shifted.

    `width` and `height` are those of the frame in image pixels before it is turned. `is_exact` means that the page's
    own box differs from the page by rounding only; `is_coarse` that rounding moves the boxes by half a line of text.
    """

    x_scale: float
    y_scale: float
    width: float
    height: float
    angle: int = 0
    left: float = 0.0
    top: float = 0.0
    is_exact: bool = True
    is_coarse: bool = False

    def __call__(self, box: Box) -> Box:
        return (
            box.scaled(self.x_scale, self.y_scale)
            .turned(self.angle, self.width, self.height)
            .shifted(self.left, self.top)
        )


def place(
    page: Page,
    geometries: Sequence[PageGeometry],
    frame: Frame,
    *,
    dpi: int,
    coordinates: Coordinates = AUTO,
    image: PageBox | None = None,
) -> Placement | None:
    """How the boxes of `page` come to its image, drawn at `dpi`, or None if the frame does not explain its own box.

    The image shows the box `image` of the page (default: the frame's). Raises DocumentError (coordinates) if the boxes
    have no unit, or count from elsewhere than the corner of the page.
    """
    geometry = geometries[page.page_num]
    resolution = _resolution(page, geometries, frame, dpi, coordinates)
    if resolution is None:
        return None
    box, drawn = geometry.box(frame.box), geometry.box(image or frame.box)
    pixels = dpi / POINTS_PER_INCH
    is_turned = frame.turn is Turn.BEFORE_ROTATION
    width, height = (side * pixels for side in _size_pt(geometry, frame))
    return Placement(
        dpi / resolution.x,
        dpi / resolution.y,
        width,
        height,
        geometry.rotation if is_turned else 0,
        (box.left - drawn.left) * pixels,
        (box.top - drawn.top) * pixels,
        resolution.is_exact,
        resolution.is_coarse,
    )


@dataclass(frozen=True)
class _Resolution:
    """Pixels of the JSON per inch of the page, in x and y; the flags are those of `Placement`."""

    x: float
    y: float
    is_exact: bool = True
    is_coarse: bool = False


def _resolution(
    page: Page, geometries: Sequence[PageGeometry], frame: Frame, dpi: int, coordinates: Coordinates
) -> _Resolution | None:
    geometry = geometries[page.page_num]
    measured = geometries[0] if frame.of_first_page else geometry
    own = page.bbox
    stated = None if coordinates.dpi is None else coordinates.dpi / (geometry.user_unit if frame.in_units else 1)
    if own is None or own.width <= 0 or own.height <= 0:
        if stated is not None:
            return _Resolution(stated, stated)
        raise DocumentError(
            Reason.COORDINATES,
            f"Page {page.page_num} has tables but no size (bbox), so their coordinates have no unit; add it, or state "
            "the unit with --coordinates.",
        )
    if (own.left, own.top) != (0, 0):
        raise DocumentError(
            Reason.COORDINATES,
            f"The bbox of page {page.page_num} begins at ({own.left:g}, {own.top:g}), so it is unclear where its boxes "
            "count from; they must count from its top left corner, (0, 0).",
        )
    width_pt, height_pt = _size_pt(measured, frame)
    if min(width_pt, height_pt) <= 0:
        return None
    sides = ((own.width, width_pt / POINTS_PER_INCH), (own.height, height_pt / POINTS_PER_INCH))
    is_whole = _is_whole(own)
    lowest = max((pixels - _rounding(pixels, is_whole)) / inches for pixels, inches in sides)
    highest = min((pixels + _rounding(pixels, is_whole)) / inches for pixels, inches in sides)
    if stated is not None:
        is_about = all(
            abs(pixels - inches * stated) <= max(ROUNDING_PX, SCALE_TOLERANCE * pixels) for pixels, inches in sides
        )
        return _Resolution(stated, stated, lowest <= stated <= highest) if is_about else None
    x, y = (pixels / inches for pixels, inches in sides)
    if lowest > highest:
        return _Resolution(x, y, is_exact=False) if y and abs(x / y - 1) <= SCALE_TOLERANCE else None
    # The longer side is the one that rounding changes least.
    likely = x if own.width > own.height else y
    if is_whole and likely < MAX_WHOLE_DPI:
        likely = _whole_resolution(likely, lowest, highest, measured.user_unit, dpi)
    is_coarse = is_whole and likely < MIN_WHOLE_DPI and all(_is_whole(box) for box in page.boxes)
    return _Resolution(likely, likely, is_coarse=is_coarse)


def _is_whole(box: PixelBox) -> bool:
    return all(side.is_integer() for side in (box.left, box.top, box.width, box.height))


def _rounding(side: float, is_whole: bool) -> float:
    return min(ROUNDING_PX, MAX_ROUNDING * side) if is_whole else ROUNDING * side


def _whole_resolution(likely: float, lowest: float, highest: float, user_unit: float, dpi: int) -> float:
    """The resolution between the two that a tool would choose: a whole number per inch, or of a page's units."""
    for unit in (1.0, user_unit):
        for whole in (dpi, round(likely * unit)):
            if lowest <= whole / unit <= highest:
                return whole / unit
    return likely


def _size_pt(geometry: PageGeometry, frame: Frame) -> tuple[float, float]:
    """Width and height of a page's own box in the frame."""
    box = geometry.box(frame.box)
    if frame.turn is not Turn.AS_DRAWN and geometry.rotation % 180:
        return box.height, box.width
    return box.width, box.height


def unexplained(
    page: Page, frames: Sequence[Frame], geometries: Sequence[PageGeometry], *, dpi: int, coordinates: Coordinates
) -> DocumentError:
    """The error for a page whose own box none of the `frames` that were tried explains."""
    own = _own_size(page)
    names = describe(frames, page.page_num, geometries)
    if coordinates.dpi is None or page.bbox is None:
        return DocumentError(
            Reason.COORDINATES,
            f"Page {page.page_num} is {own} in the JSON, another shape than the page has in any frame ({names}); is "
            "the PDF the one that was annotated, and turned as it was?",
        )
    scale = dpi / coordinates.dpi
    width, height = geometries[page.page_num].size(frames[0].box).pixels(dpi)
    return DocumentError(
        Reason.COORDINATES,
        f"Page {page.page_num} is {own} in the JSON, with --coordinates {coordinates} "
        f"{page.bbox.width * scale:.6g} x {page.bbox.height * scale:.6g} pixels, but its image has {width} x {height} "
        f"({names}); state the unit that the JSON was made in.",
    )


def too_coarse(page: Page, frame: Frame, geometries: Sequence[PageGeometry]) -> DocumentError:
    """The error for a page whose boxes are in whole pixels that are too large for labels."""
    return DocumentError(
        Reason.COORDINATES,
        f"Page {page.page_num} is {_own_size(page)} in the JSON, too few pixels for the page (as "
        f"{frame.describe(page.page_num, geometries)}): its boxes are in whole pixels; export it at a resolution of "
        f"{MIN_DPI}dpi or more.",
    )


def _own_size(page: Page) -> str:
    return f"{page.bbox.width:g} x {page.bbox.height:g}" if page.bbox else "of no size"


@dataclass(frozen=True)
class Projection:
    """Converts boxes of the JSON to image pixels. Raises DocumentError (coordinates) for a box outside the image."""

    placement: Placement
    width: int
    height: int

    def __call__(self, box: PixelBox, where: str) -> Box:
        raw = self.placement(box.box)
        if is_outside(raw, self.width, self.height):
            edges = ", ".join(f"{edge:.6g}" for edge in raw)  # an edge may be infinite: the product of large numbers
            raise DocumentError(
                Reason.COORDINATES,
                f"The bbox of {where} reaches to ({edges}), outside the image of {self.width} x {self.height} pixels; "
                "correct it, or the bbox of its page.",
            )
        return raw.intersection(Box(0, 0, self.width, self.height))


def is_outside(box: Box, width: float, height: float) -> bool:
    """Whether a box reaches farther over the edge of its page than a sloppy hand moves it."""
    x_slack, y_slack = width * OUTSIDE_TOLERANCE, height * OUTSIDE_TOLERANCE
    is_beside = box.left < -x_slack or box.right > width + x_slack
    return is_beside or box.top < -y_slack or box.bottom > height + y_slack
