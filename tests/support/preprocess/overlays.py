"""A page with one ruled table, typed or scanned, over which somebody has put text: watermarks, stamps, OCR layers."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

PAGE = (595.2, 842.4)
TEXTS = (("Item", "Year", "Amount"), ("Rent", "2019", "1200"), ("Food", "2020", "340"), ("Travel", "2021", "55"))
LEFT, TOP, COLUMN, ROW, SIZE = 90, 150, 130, 30, 10  # of the table, in points from the top left corner
PADDING, BASELINE = 8, 19  # of a text, from the left and the top of its cell
PIXELS = 120 / 72
Overlay = Callable[[Canvas], None]


def nothing(_: Canvas) -> None:
    """No overlay."""


def watermark(text: str = "CONFIDENTIAL", *, size: float = 60, angle: float = 40, grey: float = 0.75) -> Overlay:
    """A word across the table, turned by `angle` degrees."""

    def draw(canvas: Canvas) -> None:
        canvas.saveState()
        canvas.translate(LEFT + 1.5 * COLUMN, PAGE[1] - TOP - 2 * ROW)
        canvas.rotate(angle)
        canvas.setFont("Helvetica-Bold", size)
        canvas.setFillGray(grey)
        canvas.drawCentredString(0, -size / 3, text)
        canvas.restoreState()

    return draw


def stamp(canvas: Canvas) -> None:
    """Lines of a stamp in a frame, over the middle of the table."""
    canvas.saveState()
    canvas.setStrokeColorRGB(0.7, 0.1, 0.1)
    canvas.setFillColorRGB(0.7, 0.1, 0.1)
    canvas.translate(LEFT + 1.4 * COLUMN, PAGE[1] - TOP - 2.4 * ROW)
    canvas.rotate(8)
    canvas.rect(-45, -16, 110, 44)
    canvas.setFont("Helvetica-Bold", 13)
    canvas.drawString(-38, 9, "RECEIVED")
    canvas.drawString(-38, -8, "12 MAY 2020")
    canvas.restoreState()


def ocr_layer(down: float = 0, across: float = 0, texts: Sequence[Sequence[str]] = TEXTS) -> Overlay:
    """Invisible words of the table, `down` and `across` points beside their ink."""

    def draw(canvas: Canvas) -> None:
        for row, line in enumerate(texts):
            for column, word in enumerate(line):
                text = canvas.beginText(*_place(row, column, down, across))
                text.setFont("Helvetica", SIZE)
                text.setTextRenderMode(3)
                text.textOut(word)
                canvas.drawText(text)

    return draw


def draw_page(
    path: Path,
    overlay: Overlay = nothing,
    *,
    scanned: bool = False,
    texts: Sequence[Sequence[str]] = TEXTS,
    ticks: int | None = None,
    joined: bool = False,
) -> None:
    """Draws the page. In the column `ticks` are drawn ticks; `joined` sets each row's texts so close that they join."""
    canvas = Canvas(str(path), pagesize=PAGE, invariant=1)
    if scanned:
        _draw_table(path.with_suffix(".typed.pdf"), texts, ticks)
        canvas.drawImage(ImageReader(_drawn(path.with_suffix(".typed.pdf"))), 0, 0, *PAGE)
    else:
        _table(canvas, texts, ticks, joined=joined)
    overlay(canvas)
    canvas.save()


def annotations(
    texts: Sequence[Sequence[str | None]] | None = TEXTS, *, page_num: int = 0, down: float = 0
) -> dict[str, Any]:
    """The page as BadgerDoc JSON at 120 dpi; `down` in points shifts the table and its cells."""
    cells = [
        {
            "row": row,
            "column": column,
            "bbox": _box(LEFT + COLUMN * column, TOP + ROW * row + down, COLUMN, ROW),
            "text": None if texts is None else texts[row][column],
        }
        for row in range(4)
        for column in range(3)
    ]
    table = {"type": "table", "bbox": _box(LEFT, TOP + down, 3 * COLUMN, 4 * ROW), "header": cells[:3]}
    return {"page_num": page_num, "bbox": _box(0, 0, *PAGE), "blocks": [table | {"cells": cells[3:]}]}


def _box(left: float, top: float, width: float, height: float) -> dict[str, float]:
    edges = {"left": left, "top": top, "width": width, "height": height}
    return {edge: points * PIXELS for edge, points in edges.items()}


def _place(row: int, column: int, down: float = 0, across: float = 0) -> tuple[float, float]:
    return LEFT + COLUMN * column + PADDING + across, PAGE[1] - TOP - ROW * row - BASELINE - down


def _draw_table(path: Path, texts: Sequence[Sequence[str]], ticks: int | None) -> None:
    canvas = Canvas(str(path), pagesize=PAGE, invariant=1)
    _table(canvas, texts, ticks)
    canvas.save()


def _table(canvas: Canvas, texts: Sequence[Sequence[str]], ticks: int | None, *, joined: bool = False) -> None:
    canvas.grid([LEFT + COLUMN * n for n in range(4)], [PAGE[1] - TOP - ROW * n for n in range(5)])
    canvas.setFont("Helvetica", SIZE)
    for row, line in enumerate(texts):
        for column, word in enumerate(line):
            x, y = _place(row, column)
            if column == ticks:
                canvas.lines([(x + 40, y + 4, x + 44, y), (x + 44, y, x + 52, y + 9)])
            elif joined and column < 2:
                # The text of one column ends where that of the next begins: right-aligned beside left-aligned.
                right = LEFT + COLUMN * (column + 1) - 0.2
                (canvas.drawString if column else canvas.drawRightString)(
                    *((LEFT + COLUMN * column + 0.2, y) if column else (right, y)), word
                )
            else:
                canvas.drawString(x, y, word)


def _drawn(pdf: Path) -> Image.Image:
    subprocess.run(["pdftoppm", "-r", "150", "-gray", "-singlefile", pdf, pdf.with_suffix("")], check=True)
    with Image.open(pdf.with_suffix(".pgm")) as image:
        return image.point(lambda level: round(level * 249 / 255))
