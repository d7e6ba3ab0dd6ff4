"""Draws a page of a document from the top down, column by column, and notes what an annotator would mark on it."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from reportlab.pdfgen.canvas import Canvas

from hack.documents.table_drawing import draw_table
from hack.documents.tables import BLACK, Colour, TableSketch, sketch_table
from hack.documents.text import label, line_of_words, number, sentence

GUTTER_PT = 18


@dataclass(frozen=True)
class DocumentStyle:
    """What all pages of a document have in common; lengths in points."""

    size: tuple[float, float]
    fonts: tuple[str, str]
    font_size: float
    margin: float
    gap: float  # between the parts of a page
    columns: int
    accent: Colour


@dataclass
class PageWriter:
    """Draws on one page and collects its BadgerDoc blocks. `top` is measured in points from the page's top edge."""

    canvas: Canvas
    style: DocumentStyle
    rng: random.Random
    dpi: int
    top: float = 0.0
    column: int = 0
    columns: int = 1
    column_top: float = 0.0
    blocks: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.top = self.column_top = self.style.margin

    @property
    def height(self) -> float:
        return self.style.size[1]

    @property
    def width(self) -> float:
        """Of the column."""
        inner = self.style.size[0] - 2 * self.style.margin
        return (inner - (self.columns - 1) * GUTTER_PT) / self.columns

    @property
    def left(self) -> float:
        """Of the column."""
        return self.style.margin + self.column * (self.width + GUTTER_PT)

    @property
    def room(self) -> float:
        """Height that is left in the column."""
        return self.height - self.style.margin - self.top

    def start_columns(self) -> None:
        """From here on the page has as many columns as the document."""
        self.columns, self.column, self.column_top = self.style.columns, 0, self.top

    def next_column(self) -> bool:
        """Go to the top of the next column, if there is one."""
        if self.column + 1 >= self.columns:
            return False
        self.column += 1
        self.top = self.column_top
        return True

    def box(self, left: float, top: float, right: float, bottom: float) -> dict[str, int]:
        """A BadgerDoc box in pixels from points, y down."""
        x0, y0, x1, y1 = (round(value * self.dpi / 72) for value in (left, top, right, bottom))
        return {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}

    def paragraph(self, lines: int, *, bold: bool = False, size: float | None = None) -> None:
        """Running text; fewer lines where there is less room."""
        size = size or self.style.font_size
        leading = size * 1.4
        lines = min(lines, int(self.room / leading))
        if lines < 1:
            return
        font = self.style.fonts[bold]
        self.canvas.setFont(font, size)
        first, texts, widest = self.top, [], 0.0
        ascent, _ = getAscentDescent(font, size)
        for _ in range(lines):
            text = line_of_words(self.rng, font, size, self.width)
            self.canvas.drawString(self.left, self.height - self.top - ascent, text)
            widest = max(widest, stringWidth(text, font, size))
            texts.append(text)
            self.top += leading
        self._note_text(first, widest, texts)
        self.top += self.style.gap

    def caption(self, text: str, *, bold: bool) -> None:
        """One line, closer to what follows than a paragraph."""
        size = self.style.font_size
        if self.room < 2 * size:
            return
        font = self.style.fonts[bold]
        ascent, _ = getAscentDescent(font, size)
        self.canvas.setFont(font, size)
        self.canvas.setFillColorRGB(*self.style.accent)
        self.canvas.drawString(self.left, self.height - self.top - ascent, text)
        self.canvas.setFillColorRGB(*BLACK)
        first = self.top
        self.top += size * 1.3
        self._note_text(first, stringWidth(text, font, size), [text])
        self.top += self.rng.uniform(2, 8)

    def bullets(self, items: int) -> None:
        """A list of short lines, which is no table."""
        size = self.style.font_size
        for _ in range(min(items, int(self.room / (size * 1.5)))):
            self.canvas.setFont(self.style.fonts[0], size)
            baseline = self.height - self.top - size
            self.canvas.drawString(self.left + 8, baseline, self.rng.choice(("-", "o", "1.", "a)")))
            self.canvas.drawString(self.left + 24, baseline, sentence(self.rng, self.rng.randint(2, 5)))
            self.top += size * 1.5
        self.top += self.style.gap

    def chart(self) -> None:
        """Bars with axes, rules and figures, which are no table."""
        height = self.rng.uniform(90, 170)
        if self.room < height + self.style.gap:
            return
        width = self.width * self.rng.uniform(0.6, 1.0)
        base, left, canvas = self.height - self.top - height, self.left, self.canvas
        canvas.setLineWidth(0.5)
        canvas.setFont(self.style.fonts[0], 7)
        canvas.rect(left, base, width, height)
        bars = self.rng.randint(3, 9)
        step = (width - 40) / bars
        for line in range(1, 5):
            y = base + 14 + line * (height - 24) / 5
            canvas.line(left + 30, y, left + width - 6, y)
            canvas.drawRightString(left + 27, y - 2, f"{20 * line}")
        canvas.setFillColorRGB(*self.style.accent)
        for bar in range(bars):
            tall = self.rng.uniform(0.1, 0.95) * (height - 24)
            canvas.rect(left + 32 + bar * step, base + 14, step * 0.6, tall, fill=1, stroke=0)
        canvas.setFillColorRGB(*BLACK)
        for bar in range(bars):
            canvas.drawString(left + 32 + bar * step, base + 5, label(self.rng, 1)[: max(2, int(step / 5))])
        self.top += height + self.style.gap

    def frame(self) -> None:
        """A box with a few lines of text, which is no table."""
        size = self.style.font_size
        lines = self.rng.randint(2, 6)
        height = lines * size * 1.4 + 12
        if self.room < height + self.style.gap:
            return
        y = self.height - self.top - height
        self.canvas.setLineWidth(0.8)
        if self.rng.random() < 0.5:
            self.canvas.setFillColorRGB(0.93, 0.93, 0.96)
            self.canvas.rect(self.left, y, self.width, height, fill=1, stroke=0)
            self.canvas.setFillColorRGB(*BLACK)
        else:
            self.canvas.rect(self.left, y, self.width, height)
        self.canvas.setFont(self.style.fonts[0], size)
        for line in range(lines):
            text = line_of_words(self.rng, self.style.fonts[0], size, self.width - 12)
            self.canvas.drawString(self.left + 6, y + height - 6 - size - line * size * 1.4, text)
        self.top += height + self.style.gap

    def captioned_table(self) -> bool:
        """A table with or without a caption and a note of its source. Returns whether there was room for it."""
        rng = self.rng
        sketch = sketch_table(rng, self.style.fonts, self.room - 3 * self.style.font_size, self.width)
        if sketch is None:
            return False
        if rng.random() < 0.7:
            self.caption(f"Table {rng.randint(1, 19)}: {label(rng, rng.randint(2, 5))}", bold=rng.random() < 0.6)
        place = rng.choice((0.0, 0.0, 0.5, 0.5, rng.random()))
        self.table(sketch, self.left + place * (self.width - sketch.width))
        if rng.random() < 0.35:
            self.caption(f"Source: {label(rng, 2)}, {rng.randint(1990, 2024)}", bold=False)
        self.top += self.style.gap
        return True

    def table(self, sketch: TableSketch, left: float) -> None:
        """Draw the table and note its block."""
        top = self.top
        draw_table(self.canvas, sketch, left, self.height - top)
        header, cells = [], []
        for cell in sketch.cells:
            x0, y0, x1, y1 = sketch.rectangle(cell)
            entry = {
                "row": cell.row,
                "column": cell.column,
                "rowspan": cell.rowspan,
                "colspan": cell.colspan,
                "bbox": self.box(left + x0, top + y0, left + x1, top + y1),
                "text": cell.text,
            }
            (header if cell.is_header else cells).append(entry)
        box = self.box(left, top, left + sketch.width, top + sketch.height)
        self.blocks.append({"type": "table", "bbox": box, "header": header, "cells": cells})
        self.top += sketch.height + self.rng.uniform(3, 10)

    def margins(self, number_of_page: int) -> None:
        """A running head and a page number in the margins."""
        self.canvas.setFont(self.style.fonts[0], 8)
        middle = self.style.size[0] / 2
        self.canvas.drawCentredString(middle, self.style.margin * 0.5, f"{number_of_page}")
        if self.rng.random() < 0.5:
            y = self.height - self.style.margin * 0.6
            self.canvas.drawString(self.style.margin, y, f"{label(self.rng, 3)} {number(self.rng)}")
            self.canvas.setLineWidth(0.5)
            self.canvas.line(self.style.margin, y - 4, self.style.size[0] - self.style.margin, y - 4)

    def finished(self, page_number: int) -> dict[str, Any]:
        """The page in BadgerDoc's format."""
        width, height = (math.ceil(length * self.dpi / 72) for length in self.style.size)
        return {
            "page_num": page_number,
            "bbox": {"left": 0, "top": 0, "width": width, "height": height},
            "blocks": self.blocks,
        }

    def _note_text(self, first: float, widest: float, texts: list[str]) -> None:
        box = self.box(self.left, first, self.left + widest, self.top)
        self.blocks.append({"type": "text_block", "bbox": box, "text": "\n".join(texts)})
