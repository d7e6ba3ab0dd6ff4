"""Draws a corpus of documents with tables and the BadgerDoc JSON that annotators would have made of them.

    python -m hack.documents.corpus FOLDER --documents 30 --seed 0

writes FOLDER/pdfs/*.pdf and FOLDER/json/*.json with exact ground truth: every cell's box is the rectangle its text was
drawn in. The same arguments give the same bytes. Tables are clear and fairly large, so that a small detector learns
them in minutes: with and without rules, header rows and columns, spans, empty cells, several on a page, pages without.
"""

import argparse
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4, LETTER, landscape
from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from reportlab.pdfgen.canvas import Canvas

PAGE_SIZES = (A4, A4, A4, LETTER, landscape(A4))
FONTS = (("Helvetica", "Helvetica-Bold"), ("Times-Roman", "Times-Bold"), ("Courier", "Courier-Bold"))
STYLES = ("bordered", "bordered", "rows ruled", "header ruled", "borderless")
HEADER_FILLS = (None, None, (0.85, 0.89, 0.95), (0.9, 0.9, 0.9), (0.95, 0.88, 0.8))
VOCABULARY = """
annual average balance capital change cost country current demand district energy estimate export figure forecast gross
growth income index industry interest labour level market measure monthly net number output part period price product
quarter range rate region report result revenue sales sample sector service share size source stock supply target tax
total trade trend unit value volume weight year
"""
WORDS = VOCABULARY.split()
MARGIN_PT = 50
GAP_PT = 26
PADDING_PT = 6


@dataclass(frozen=True)
class GridCell:
    """A cell of a table before it is placed; `text` is empty in an empty cell."""

    row: int
    column: int
    rowspan: int
    colspan: int
    text: str
    is_header: bool


@dataclass(frozen=True)
class TableSketch:
    """A table with its looks and measures in points."""

    cells: tuple[GridCell, ...]
    widths: tuple[float, ...]
    row_height: float
    rows: int
    header_rows: int
    style: str
    fill: tuple[float, float, float] | None
    fonts: tuple[str, str]
    font_size: float

    @property
    def width(self) -> float:
        return sum(self.widths)

    @property
    def height(self) -> float:
        return self.rows * self.row_height

    def rectangle(self, cell: GridCell) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in points from the table's top-left corner, y down."""
        left = sum(self.widths[: cell.column])
        right = sum(self.widths[: cell.column + cell.colspan])
        return left, cell.row * self.row_height, right, (cell.row + cell.rowspan) * self.row_height

    def font(self, cell: GridCell) -> str:
        return self.fonts[cell.is_header]


@dataclass
class PageWriter:
    """Draws on one page from the top down and notes what it drew."""

    canvas: Canvas
    width: float
    height: float
    dpi: int
    top: float = MARGIN_PT
    blocks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def room(self) -> float:
        return self.height - MARGIN_PT - self.top

    def box(self, left: float, top: float, right: float, bottom: float) -> dict[str, int]:
        """A BadgerDoc box in pixels from points, y down."""
        x0, y0, x1, y1 = (round(value * self.dpi / 72) for value in (left, top, right, bottom))
        return {"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0}

    def paragraph(self, rng: random.Random, font: str, size: float, lines: int) -> None:
        self.canvas.setFont(font, size)
        self.canvas.setFillColorRGB(0, 0, 0)
        first, texts, widest = self.top, [], 0.0
        for _ in range(lines):
            text = _line(rng, font, size, self.width - 2 * MARGIN_PT)
            ascent, _descent = getAscentDescent(font, size)
            self.canvas.drawString(MARGIN_PT, self.height - self.top - ascent, text)
            widest = max(widest, stringWidth(text, font, size))
            texts.append(text)
            self.top += size * 1.4
        box = self.box(MARGIN_PT, first, MARGIN_PT + widest, self.top)
        self.blocks.append({"type": "text_block", "bbox": box, "text": "\n".join(texts)})
        self.top += GAP_PT

    def table(self, sketch: TableSketch, left: float) -> None:
        top = self.top
        self._fill_header(sketch, left, top)
        header, cells = [], []
        for cell in sketch.cells:
            x0, y0, x1, y1 = sketch.rectangle(cell)
            self._text(sketch, cell, left, top)
            entry = {
                "row": cell.row,
                "column": cell.column,
                "rowspan": cell.rowspan,
                "colspan": cell.colspan,
                "bbox": self.box(left + x0, top + y0, left + x1, top + y1),
                "text": cell.text,
            }
            (header if cell.is_header else cells).append(entry)
        self._rules(sketch, left, top)
        box = self.box(left, top, left + sketch.width, top + sketch.height)
        self.blocks.append({"type": "table", "bbox": box, "header": header, "cells": cells})
        self.top += sketch.height + GAP_PT

    def _fill_header(self, sketch: TableSketch, left: float, top: float) -> None:
        if sketch.fill and sketch.header_rows:
            height = sketch.header_rows * sketch.row_height
            self.canvas.setFillColorRGB(*sketch.fill)
            self.canvas.rect(left, self.height - top - height, sketch.width, height, stroke=0, fill=1)
        self.canvas.setFillColorRGB(0, 0, 0)

    def _text(self, sketch: TableSketch, cell: GridCell, left: float, top: float) -> None:
        x0, y0, x1, y1 = sketch.rectangle(cell)
        x0, y0, x1, y1 = left + x0, top + y0, left + x1, top + y1
        font, size = sketch.font(cell), sketch.font_size
        ascent, descent = getAscentDescent(font, size)
        baseline = self.height - ((y0 + y1) / 2 + (ascent + descent) / 2)
        self.canvas.setFont(font, size)
        if cell.text[:1].isdigit():
            self.canvas.drawRightString(x1 - PADDING_PT, baseline, cell.text)
        elif cell.text and cell.colspan > 1:
            self.canvas.drawCentredString((x0 + x1) / 2, baseline, cell.text)
        elif cell.text:
            self.canvas.drawString(x0 + PADDING_PT, baseline, cell.text)

    def _rules(self, sketch: TableSketch, left: float, top: float) -> None:
        self.canvas.setLineWidth(0.8)
        right, bottom = left + sketch.width, top + sketch.height
        if sketch.style == "bordered":
            for cell in sketch.cells:
                x0, y0, x1, y1 = sketch.rectangle(cell)
                self.canvas.rect(left + x0, self.height - top - y1, x1 - x0, y1 - y0)
        elif sketch.style == "rows ruled":
            for row in range(sketch.rows + 1):
                if sketch.header_rows == 2 and row == 1:
                    continue  # it would cut through the header cell that spans both rows
                y = self.height - top - row * sketch.row_height
                self.canvas.line(left, y, right, y)
        elif sketch.style == "header ruled":
            for y in (top, top + max(1, sketch.header_rows) * sketch.row_height, bottom):
                self.canvas.line(left, self.height - y, right, self.height - y)


def sketch_table(rng: random.Random, fonts: tuple[str, str], room: float, width: float) -> TableSketch | None:
    """A random table that fits in `room` x `width` points, or None where there is too little."""
    font_size = rng.choice((9.0, 10.0, 11.0, 12.0))
    row_height = round(font_size * rng.uniform(1.9, 2.5), 1)
    most_rows = int(room / row_height)
    if most_rows < 4:
        return None
    rows = rng.randint(4, min(11, most_rows))
    columns = rng.randint(3, 6)
    header_rows = rng.choice((1, 1, 1, 2, 0))
    header_column = rng.random() < (0.9 if header_rows == 0 else 0.35)
    weights = [rng.uniform(0.8, 1.3) + (0.6 if column == 0 else 0) for column in range(columns)]
    table_width = width * rng.uniform(0.7, 1.0)
    widths = tuple(table_width * weight / sum(weights) for weight in weights)

    def text(span: float, bold: bool, make: Callable[[random.Random], str]) -> str:
        return _fitting(make(rng), fonts[bold], font_size, span - 2 * PADDING_PT)

    cells: list[GridCell] = []
    for row, column, rowspan, colspan in _grid(rng, rows, columns, header_rows):
        is_header = row < header_rows or (header_column and column == 0 and colspan == 1)
        numeric = not is_header and column > 0
        span = sum(widths[column : column + colspan])
        empty = numeric and rng.random() < 0.08
        content = "" if empty else text(span, is_header, _number if numeric else _label)
        cells.append(GridCell(row, column, rowspan, colspan, content, is_header))
    style = rng.choice(STYLES)
    return TableSketch(
        tuple(cells), widths, row_height, rows, header_rows, style, rng.choice(HEADER_FILLS), fonts, font_size
    )


def _grid(rng: random.Random, rows: int, columns: int, header_rows: int) -> list[tuple[int, int, int, int]]:
    """Row, column, rowspan, colspan of every cell. Two header rows have a tall first cell and wide ones beside it."""
    places = []
    grouped = header_rows == 2
    wide_last_row = rng.random() < 0.15
    for row in range(rows):
        column = 0
        while column < columns:
            rowspan, colspan = 1, 1
            if grouped and row == 0:
                rowspan, colspan = (2, 1) if column == 0 else (1, min(2, columns - column))
            elif grouped and row == 1 and column == 0:
                column += 1
                continue
            elif wide_last_row and row == rows - 1 and column == 0:
                colspan = 2
            places.append((row, column, rowspan, colspan))
            column += colspan
    return places


def draw_document(path: Path, rng: random.Random, *, pages: int, dpi: int) -> dict[str, Any]:
    """Writes one PDF and returns its BadgerDoc JSON."""
    canvas = Canvas(str(path), invariant=1, pageCompression=1)
    size = rng.choice(PAGE_SIZES)
    fonts = rng.choice(FONTS)
    width, height = size
    found = []
    for number in range(pages):
        canvas.setPageSize(size)
        page = PageWriter(canvas, width, height, dpi)
        page.paragraph(rng, fonts[1], 15, 1)
        # The first page always has a table; a quarter of the others have none.
        tables = rng.choice((1, 1, 2, 3)) if number == 0 or rng.random() < 0.75 else 0
        for _ in range(tables):
            page.paragraph(rng, fonts[0], 10, rng.randint(1, 3))
            sketch = sketch_table(rng, fonts, page.room, width - 2 * MARGIN_PT)
            if sketch is not None:
                page.table(sketch, MARGIN_PT + rng.random() * (width - 2 * MARGIN_PT - sketch.width))
        lines = int((page.room - GAP_PT) / 14)
        if lines >= 1:
            page.paragraph(rng, fonts[0], 10, lines if not tables else min(lines, rng.randint(1, 12)))
        canvas.showPage()
        box = {"left": 0, "top": 0, "width": math.ceil(width * dpi / 72), "height": math.ceil(height * dpi / 72)}
        found.append({"page_num": number, "bbox": box, "blocks": page.blocks})
    canvas.save()
    return {"doc_name": path.name, "pages": found}


def draw_corpus(folder: Path, *, documents: int, seed: int, pages: int | None = None, dpi: int = 120) -> None:
    """Writes `documents` documents of `pages` pages (1 to 3 without) to `folder/pdfs` and `folder/json`."""
    for name in ("pdfs", "json"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(documents):
        rng = random.Random(f"{seed}/{index}")
        name = f"document-{index + 1:04d}"
        count = pages or rng.randint(1, 3)
        content = draw_document(folder / "pdfs" / f"{name}.pdf", rng, pages=count, dpi=dpi)
        (folder / "json" / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


def _number(rng: random.Random) -> str:
    return rng.choice((f"{rng.randint(1, 999)}", f"{rng.uniform(0, 100):.1f}", f"{rng.randint(1000, 99999):,}"))


def _label(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 2))).capitalize()


def _fitting(text: str, font: str, size: float, width: float) -> str:
    """The text without the words, then the letters, that do not fit."""
    while text and stringWidth(text, font, size) > width:
        text = text.rpartition(" ")[0] or text[:-1]
    return text.rstrip(",.")


def _line(rng: random.Random, font: str, size: float, width: float) -> str:
    words: list[str] = []
    target = width * rng.uniform(0.75, 1.0)
    while stringWidth(" ".join(words), font, size) < target:
        words.append(rng.choice(WORDS))
    return " ".join(words[:-1]).capitalize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, help="pages of every document (1 to 3 without)")
    parser.add_argument("--dpi", type=int, default=120, help="resolution of the coordinates")
    options = parser.parse_args()
    draw_corpus(options.folder, documents=options.documents, seed=options.seed, pages=options.pages, dpi=options.dpi)


if __name__ == "__main__":
    main()
