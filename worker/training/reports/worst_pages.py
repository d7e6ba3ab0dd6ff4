"""A page with its labels and a model's detections drawn on it, as a small JPEG for the report of a training."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from training.geometry import Box
from training.model.worst_pages import JudgedPage

# Now, not in the report's thread: data workers are forked, and must not find an import half done.
Image.preinit()
LONG_SIDE = 840  # pixels, at most
QUALITY = 62
FOUND, MISSED = (40, 120, 220, 46), (245, 150, 0, 110)  # areas of labels
RIGHT, WRONG = (20, 90, 200, 255), (215, 20, 40, 255)  # outlines of detections


def draw_judged(path: Path, page: JudgedPage) -> bytes:
    """The page's image with labels as areas, blue where they were detected and orange where not, and detections as
    outlines, blue where they are right and red where not. Raises OSError for an image that cannot be read.
    """
    with Image.open(path) as image:
        image.draft("RGB", (LONG_SIDE, LONG_SIDE))
        picture = image.convert("RGB")
    picture.thumbnail((LONG_SIDE, LONG_SIDE), reducing_gap=2.0)
    scale = picture.width / page.width
    canvas = ImageDraw.Draw(picture, "RGBA")  # what is drawn lets the page shine through
    for boxes, colour in ((page.found, FOUND), (page.missed, MISSED)):
        for box in boxes:
            canvas.rectangle(_corners(box, scale), fill=colour)
    for boxes, colour in ((page.right, RIGHT), (page.wrong, WRONG)):
        for box in boxes:
            canvas.rectangle(_corners(box, scale), outline=colour, width=1)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def _corners(box: Box, scale: float) -> Sequence[float]:
    """In order, whatever a network gives."""
    left, top, right, bottom = box.scaled(scale, scale)
    return left, top, max(left, right), max(top, bottom)
