"""Reads the annotations that the later BadgerDoc platform writes, as the pages that `training.badgerdoc` describes.

    Document = {"pages": [Page]}
    Page     = {"page_num": 1-based, "size": {"width", "height"}, "objs": [Object]}
    Object   = {"id", "type", "category", "bbox": [x1, y1, x2, y2], "children": [id], "data": {"row", "col", ...}, ...}

Coordinates are in units of the page's size, origin top-left. A table is an object whose category or type says so; its
cells are its children or, where it names none, the cells that lie in it. A cell whose data says neither row nor column
gets them from where it lies. https://github.com/epam/badgerdoc
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from training.badgerdoc import Block, Cell, Page, PixelBox

_TABLE = {"table"}
_HEADER = {"header", "table_header", "header_cell", "th"}
_CELL = {"cell", "table_cell", "td"} | _HEADER

SPAN_OVERLAP = 0.05  # of a cell's side: reaching into the next row or column by less does not span it

Corners = tuple[float, float, float, float]


def _or_empty(value: Any) -> Any:
    return () if value is None else value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Size(_Model):
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class _CellData(_Model):
    """What a cell may say of its place in the grid, from 0."""

    row: int | None = Field(None, ge=0)
    col: int | None = Field(None, ge=0)
    column: int | None = Field(None, ge=0)
    rowspan: int = Field(1, ge=1)
    colspan: int = Field(1, ge=1)


def _cell_data(value: Any) -> Any:
    """Objects of other kinds keep other things there."""
    return value if isinstance(value, dict) else {}


class _Object(_Model):
    id: int | str | None = None
    type: str | None = None
    category: str | int | None = None
    bbox: Corners | None = None
    children: Annotated[tuple[int | str, ...], BeforeValidator(_or_empty)] = ()
    data: Annotated[dict[str, Any], BeforeValidator(_cell_data)] = {}

    def is_a(self, words: set[str]) -> bool:
        """Whether its category or its type is one of the words."""
        return any(str(word).strip().lower() in words for word in (self.category, self.type) if word is not None)


class PlatformPage(_Model):
    """One page of the platform's JSON."""

    page_num: int = Field(ge=1)
    size: _Size | None = None
    objs: Annotated[tuple[_Object, ...], BeforeValidator(_or_empty)] = ()

    def page(self) -> Page:
        """The same in the extractor's terms. Raises ValueError, which names the object, for one that has no place."""
        box = PixelBox(left=0, top=0, width=self.size.width, height=self.size.height) if self.size else None
        blocks = tuple(
            _table(table, self.objs, f"objs.{number}") for number, table in enumerate(self.objs) if table.is_a(_TABLE)
        )
        return Page(page_num=self.page_num - 1, bbox=box, blocks=blocks)


def _table(table: _Object, objects: Sequence[_Object], where: str) -> Block:
    children = set(table.children)
    found = [item for item in objects if item.id is not None and item.id in children and not item.is_a(_TABLE)]
    if not found and table.bbox is not None:
        found = [item for item in objects if item.is_a(_CELL) and item.bbox and _has_middle_of(table.bbox, item.bbox)]
    places = _Grid(item.bbox for item in found if item.bbox is not None)
    header: list[Cell] = []
    cells: list[Cell] = []
    for item in found:
        if item.bbox is None:
            raise ValueError(f"{where}: its cell {item.id} has no bbox")
        (header if item.is_a(_HEADER) else cells).append(_cell(item, item.bbox, places, f"{where}, cell {item.id}"))
    box = None if table.bbox is None else _box(table.bbox, where)
    return Block(type="table", bbox=box, header=tuple(header), cells=tuple(cells))


def _cell(item: _Object, bbox: Corners, places: "_Grid", where: str) -> Cell:
    data = _CellData.model_validate(item.data)
    column = data.column if data.col is None else data.col
    row, rowspan, derived_column, colspan = places.of(bbox)
    if data.row is not None and column is not None:
        row, rowspan, derived_column, colspan = data.row, data.rowspan, column, data.colspan
    return Cell(row=row, column=derived_column, rowspan=rowspan, colspan=colspan, bbox=_box(bbox, where))


class _Grid:
    """Rows and columns as the boxes of cells show them."""

    def __init__(self, boxes: Iterable[Corners]) -> None:
        corners = list(boxes)
        self._tops = _starts([(box[1], box[3]) for box in corners])
        self._lefts = _starts([(box[0], box[2]) for box in corners])

    def of(self, box: Corners) -> tuple[int, int, int, int]:
        """Row, rowspan, column and colspan."""
        return (*_place(box[1], box[3], self._tops), *_place(box[0], box[2], self._lefts))


def _starts(intervals: Sequence[tuple[float, float]]) -> list[float]:
    """Where rows (or columns) begin: starts that lie within half of the smallest interval are one."""
    if not intervals:
        return []
    slack = min(end - start for start, end in intervals) / 2
    found: list[float] = []
    for start, _ in sorted(intervals):
        if not found or start - found[-1] > slack:
            found.append(start)
    return found


def _place(start: float, end: float, starts: Sequence[float]) -> tuple[int, int]:
    """The first row (or column) of an interval, and how many it covers."""
    first = max(0, bisect_right(starts, start) - 1)
    # Cells that touch may overlap by the width of a rule.
    inner_end = end - SPAN_OVERLAP * (end - start)
    return first, max(1, bisect_left(starts, inner_end) - first)


def _has_middle_of(outer: Corners, inner: Corners) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _box(corners: Corners, where: str) -> PixelBox:
    left, top, right, bottom = corners
    if right < left or bottom < top:
        raise ValueError(f"{where}: bbox {list(corners)} must be left, top, right, bottom")
    return PixelBox(left=left, top=top, width=right - left, height=bottom - top)
