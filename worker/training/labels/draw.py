"""Draws a page's labels on its image, for people to check before training: `pdfs/<document>/draw_ann/<page>.jpg`."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from training.labels.categories import CELL, COLOURS, HEADER, TABLE, LabelledBox

QUALITY = 80
LINE_WIDTHS = {TABLE: 3, CELL: 1, HEADER: 2}
DRAW_ORDER = (TABLE, HEADER, CELL)
THUMBNAIL_REDUCTION = 3
THUMBNAIL_QUALITY = 60


def draw_page(picture: Image.Image, width: int, boxes: Iterable[LabelledBox], target: Path) -> bytes:
    """Draws the outlines of `boxes` in their categories' colours on `picture` and writes it to `target` as JPEG.

    `picture` is the page in RGB, at any size. The boxes are in pixels of the page's image in the dataset, which is
    `width` pixels wide. Returns a thumbnail as JPEG bytes, a third of the picture's size.
    """
    scale = picture.width / width
    canvas = ImageDraw.Draw(picture)
    for label in sorted(boxes, key=lambda label: DRAW_ORDER.index(label.category)):
        canvas.rectangle(
            label.box.scaled(scale, scale), outline=COLOURS[label.category], width=LINE_WIDTHS[label.category]
        )
    picture.save(target, "JPEG", quality=QUALITY)
    content = io.BytesIO()
    picture.reduce(THUMBNAIL_REDUCTION).save(content, "JPEG", quality=THUMBNAIL_QUALITY)
    return content.getvalue()
