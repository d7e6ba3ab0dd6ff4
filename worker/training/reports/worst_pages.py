"""Draws a page's labels and a model's detections on its image, as a small JPEG for the report of a training."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from training.geometry import Box
from training.model.worst_pages import JudgedPage

# Imports PIL's plugins now, not in the report's thread: a data worker forked meanwhile would inherit half an import.
Image.preinit()
LONG_SIDE = 840  # of the picture, in pixels, at most
QUALITY = 62  # of the JPEG, 0 to 100
FOUND, MISSED = (40, 120, 220, 46), (245, 150, 0, 110)  # areas of labels
RIGHT, WRONG = (20, 90, 200, 255), (215, 20, 40, 255)  # outlines of detections


def draw_judged(path: Path, page: JudgedPage) -> bytes:
    """A JPEG of the page's image: labels as areas, blue if found, orange if missed; detections as outlines, blue if
    right, red if wrong. Raises OSError if the image at `path` cannot be read.
    """
    with Image.open(path) as image:
        image.draft("RGB", (LONG_SIDE, LONG_SIDE))
        picture = image.convert("RGB")
    picture.thumbnail((LONG_SIDE, LONG_SIDE), reducing_gap=2.0)
    scale = picture.width / page.width
    canvas = ImageDraw.Draw(picture, "RGBA")  # for translucent colours
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
    """The box's scaled corners, in the order that PIL demands, even if a network swapped its edges."""
    left, top, right, bottom = box.scaled(scale, scale)
    return left, top, max(left, right), max(top, bottom)
