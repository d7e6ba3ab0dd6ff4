"""A page with its labels drawn on it, for people to check before they train: `pdfs/<document>/draw_ann/<page>.jpg`."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from training.annotate import CELL, HEADER, TABLE, LabelledBox
from training.coco import COLOURS

REDUCTION = 2  # half the size is enough to check labels, and a JPEG decodes to it at a fraction of the cost
QUALITY = 80
THUMBNAIL_WIDTH = 180  # pixels
THUMBNAIL_QUALITY = 60
LINE_WIDTHS = {TABLE: 3, CELL: 1, HEADER: 2}
DRAW_ORDER = (TABLE, HEADER, CELL)


def draw_page(image: Path, boxes: Iterable[LabelledBox], target: Path) -> bytes:
    """Writes a JPEG of half the size of `image` with the outlines of `boxes` in their classes' colours.

    Returns a JPEG of THUMBNAIL_WIDTH pixels of the same.
    """
    ordered = sorted(boxes, key=lambda box: DRAW_ORDER.index(box.category))
    with Image.open(image) as page:
        full_width, full_height = page.size
        page.draft("RGB", (full_width // REDUCTION, full_height // REDUCTION))
        picture = page.convert("RGB")
    x, y = picture.width / full_width, picture.height / full_height
    canvas = ImageDraw.Draw(picture)
    for category, left, top, width, height in ordered:
        canvas.rectangle(
            (left * x, top * y, (left + width) * x, (top + height) * y),
            outline=COLOURS[category],
            width=LINE_WIDTHS[category],
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(target, "JPEG", quality=QUALITY)
    height = max(1, round(picture.height * THUMBNAIL_WIDTH / picture.width))
    thumbnail = picture.resize((THUMBNAIL_WIDTH, height), Image.Resampling.BOX, reducing_gap=1.0)
    content = io.BytesIO()
    thumbnail.save(content, "JPEG", quality=THUMBNAIL_QUALITY)
    return content.getvalue()
