"""The traces of a scanner on a drawn page: grey paper below the text, specks above it."""

import random

import numpy as np
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

TILE_PX = 192
TILE_PT = 115.0  # 120 dpi


class ScanNoise:
    """The same noise on all pages of a document; each page shows a tile of it again and again."""

    def __init__(self, rng: random.Random) -> None:
        numbers = np.random.default_rng(rng.getrandbits(32))
        level, spread = rng.uniform(225, 250), rng.uniform(2, 9)
        grey = numbers.normal(level, spread, (TILE_PX, TILE_PX)).clip(0, 255).astype(np.uint8)
        self._paper = ImageReader(Image.fromarray(grey, "L").convert("RGB"))
        dark = numbers.random((TILE_PX, TILE_PX)) < rng.uniform(0.0002, 0.002)
        pale = numbers.random((TILE_PX, TILE_PX)) < rng.uniform(0.0, 0.05)
        specks = np.zeros((TILE_PX, TILE_PX, 4), np.uint8)
        specks[pale] = (255, 255, 255, 160)  # wears out the print
        specks[dark] = (40, 40, 40, 255)
        self._specks = ImageReader(Image.fromarray(specks, "RGBA"))

    def below(self, canvas: Canvas, width: float, height: float) -> None:
        """Draw the paper of a page of `width` x `height` points, before its content."""
        self._cover(canvas, self._paper, width, height, mask=None)

    def above(self, canvas: Canvas, width: float, height: float) -> None:
        """Draw the specks, after the content."""
        self._cover(canvas, self._specks, width, height, mask="auto")

    def _cover(self, canvas: Canvas, tile: ImageReader, width: float, height: float, *, mask: str | None) -> None:
        for column in range(int(width // TILE_PT) + 1):
            for row in range(int(height // TILE_PT) + 1):
                canvas.drawImage(tile, column * TILE_PT, row * TILE_PT, TILE_PT, TILE_PT, mask=mask)
