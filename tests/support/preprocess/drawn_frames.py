"""A page with a table, and the annotations of that table as tools give them that differ in their frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.documents.page_geometry import PageBox, PageGeometry
from training.geometry import Box

COLUMNS, ROWS = 3, 4
COLUMN_PT, ROW_PT = 90.0, 22.0
TABLE_PT = (COLUMNS * COLUMN_PT, ROWS * ROW_PT)
FONT_PT = 9.0
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
