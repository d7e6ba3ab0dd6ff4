"""A page with a table, and the annotations of that table as tools give them that differ in their frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pypdf import PdfWriter
from pypdf.generic import FloatObject, NameObject, NumberObject, RectangleObject
from reportlab.pdfgen.canvas import Canvas

from training.documents.sizes.page_geometry import PageBox, PageGeometry
from training.geometry import Box

COLUMNS, ROWS = 3, 4
COLUMN_PT, ROW_PT = 90.0, 22.0
TABLE_PT = (COLUMNS * COLUMN_PT, ROWS * ROW_PT)
FONT_PT = 9.0
PROSE = "Prose that goes on beside, above and below the table, as it does on any page"
TEXTS = (
    "Item",
    "Year",
    "Amount",
    "Rent",
    "2019",
    "1,204.50",
    "Heating",
    "2020",
    "318.00",
    "Insurance",
    "2021",
    "97.25",
)


@dataclass(frozen=True)
class Writer:
    """A tool that writes annotations, with its frame: pixels at `dpi` of `box` of the page, turned or not."""

    box: PageBox = PageBox.MEDIA
    is_turned: bool = True
    of_first_page: bool = False
    dpi: float = 120.0
    with_text: bool = True
    whole_page: bool = True  # the page's size is rounded up to whole pixels

    def page(self, number: int, geometries: Sequence[PageGeometry], table: Box) -> dict[str, Any]:
        """The JSON of a page whose table lies at `table`, in points of the MediaBox as it is drawn."""
        geometry = geometries[number]
        own = geometry.box(self.box)
        angle = 0 if self.is_turned else -geometry.rotation % 360
        to_json = self.dpi / 72

        def place(box: Box) -> dict[str, float]:
            inside = box.shifted(-own.left, -own.top).turned(angle, own.width, own.height).scaled(to_json, to_json)
            return {"left": inside.left, "top": inside.top, "width": inside.width, "height": inside.height}

        cells = [
            {"row": row, "column": column, "bbox": place(box)} | ({"text": text} if self.with_text else {})
            for (row, column), box, text in zip(grid(), cells_of(table), TEXTS, strict=True)
        ]
        size = self._size(geometries[0] if self.of_first_page else geometry)
        block = {"type": "table", "bbox": place(table), "header": cells[:COLUMNS], "cells": cells[COLUMNS:]}
        return {"page_num": number, "bbox": {"left": 0, "top": 0, **size}, "blocks": [block]}

    def _size(self, geometry: PageGeometry) -> dict[str, float]:
        size = geometry.size(self.box)
        sides = size.width_pt * self.dpi / 72, size.height_pt * self.dpi / 72
        if not self.is_turned and geometry.rotation % 180:
            sides = sides[::-1]
        if self.whole_page:
            sides = float(-(-sides[0] // 1)), float(-(-sides[1] // 1))
        return {"width": sides[0], "height": sides[1]}


def grid() -> list[tuple[int, int]]:
    """Row and column of each cell."""
    return [(row, column) for row in range(ROWS) for column in range(COLUMNS)]


def cells_of(table: Box) -> list[Box]:
    """The boxes of the cells, in points."""
    corners = [(table.left + column * COLUMN_PT, table.top + row * ROW_PT) for row, column in grid()]
    return [Box(x, y, x + COLUMN_PT, y + ROW_PT) for x, y in corners]


def as_platform(pages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The JSON of a document as the platform writes it."""
    found = []
    for page in pages:
        objects = []
        for block in page["blocks"]:
            parts = [(cell, "header") for cell in block["header"]] + [(cell, "te-cell") for cell in block["cells"]]
            for cell, category in parts:
                data = {"row": cell["row"], "col": cell["column"], "rowspan": 1, "colspan": 1}
                objects.append(_object(len(objects), "table_cell", category, cell) | {"data": data})
            children = list(range(len(objects)))
            objects.append(_object(len(objects), "box", "table", block) | {"children": children})
        size = {"width": page["bbox"]["width"], "height": page["bbox"]["height"]}
        found.append({"page_num": page["page_num"] + 1, "size": size, "objs": objects})
    return {"revision": "1", "pages": found}


def _object(number: int, kind: str, category: str, item: dict[str, Any]) -> dict[str, Any]:
    box = item["bbox"]
    corners = [box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]]
    return {"id": number, "type": kind, "category": category, "bbox": corners, "text": item.get("text")}


def draw_pdf(path: Path, geometries: Sequence[PageGeometry], table: Box, *, as_picture: bool = False) -> None:
    """A PDF whose pages have these boxes and the table, upright as they are drawn, under lines of prose.

    With `as_picture` it has bars instead of words, so that its text layer is empty, as that of a scan.
    """
    plain = path.with_suffix(".plain")
    canvas = Canvas(str(plain), invariant=1)
    for geometry in geometries:
        _draw_page(canvas, geometry, table, as_picture=as_picture)
    canvas.save()
    writer = PdfWriter(clone_from=plain)
    for page, geometry in zip(writer.pages, geometries, strict=True):
        if geometry.rotation:
            page[NameObject("/Rotate")] = NumberObject(geometry.rotation)
        if geometry.crop != geometry.media:
            page.cropbox = RectangleObject(_unturned(geometry, geometry.crop))
        if geometry.user_unit != 1:
            page[NameObject("/UserUnit")] = FloatObject(geometry.user_unit)
    writer.write(path)
    plain.unlink()


def _draw_page(canvas: Canvas, geometry: PageGeometry, table: Box, *, as_picture: bool) -> None:
    width, height = geometry.media.width, geometry.media.height
    left, bottom, right, top = _unturned(geometry, geometry.media)
    canvas.setPageSize((right - left, top - bottom))
    canvas.scale(1 / geometry.user_unit, 1 / geometry.user_unit)
    turns = {90: (0, 1, -1, 0, height, 0), 180: (-1, 0, 0, -1, width, height), 270: (0, -1, 1, 0, 0, width)}
    if geometry.rotation:
        canvas.transform(*turns[geometry.rotation])
    canvas.setFont("Helvetica", FONT_PT)
    lines = [(cell.left + 6, cell.top + 15, text) for cell, text in zip(cells_of(table), TEXTS, strict=True)]
    lines += [(20.0, y, PROSE) for y in range(20, int(table.top) - 8, 14)]
    lines += [(20.0, y, PROSE) for y in range(int(table.bottom) + 16, int(height) - 20, 14)]
    for x, y, text in lines:
        if as_picture:
            canvas.rect(x, height - y, len(text) * FONT_PT / 2.5, FONT_PT * 0.7, stroke=0, fill=1)
        else:
            canvas.drawString(x, height - y, text)
    canvas.showPage()


def _unturned(geometry: PageGeometry, box: Box) -> tuple[float, float, float, float]:
    """A box of the page as a PDF holds it: in units, not turned, left, bottom, right and top."""
    back = box.turned(-geometry.rotation % 360, geometry.media.width, geometry.media.height)
    height = geometry.media.width if geometry.rotation % 180 else geometry.media.height
    edges = (back.left, height - back.bottom, back.right, height - back.top)
    return tuple(edge / geometry.user_unit for edge in edges)  # type: ignore[return-value]
