"""Reads the annotation format of the later BadgerDoc platform, as pages of `document.py`.

    Document = {"pages": [Page]}
    Page     = {"page_num": 1-based, "size": {"width", "height"}, "objs": [Object]}
    Object   = {"id", "type", "category", "bbox": [x1, y1, x2, y2], "children": [id], "text",
                "data": {"row", "col", ...}, ...}

Coordinates are in units of the page's size, origin top-left. A table is an object whose category or type says so. Its
cells are those children that are cells (type `table_cell`): the platform lists other objects in a table as children,
too. A table without such children gets the cells whose middle lies in it. https://github.com/epam/badgerdoc
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)

from training.badgerdoc.document import LENIENT, Block, Cell, Page, PixelBox, Text, explain
from training.badgerdoc.schema_parts import PlainSchema, either_name
from training.geometry import Box

_TABLE = {"table"}
_HEADER = {"header", "table_header", "header_cell", "th"}
_CELL = {"cell", "table_cell", "td"} | _HEADER
RULE_OVERLAP = 0.05  # fraction of a cell's side, at both ends, that may reach into the next cell
Corners = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
T = TypeVar("T")


def _or_empty(value: Any) -> Any:
    return () if value is None else value


def _or_one(value: Any) -> Any:
    """Reads a span of 0 (the platform writes it for a cell that was split) and a missing span as 1."""
    return 1 if value is None or value == 0 else value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, **LENIENT)


class _Size(_Model):
    """The platform writes 0 x 0 where it does not know the size."""

    width: float = Field(ge=0)
    height: float = Field(ge=0)


_Span = Annotated[
    Annotated[int, Field(ge=1)], BeforeValidator(_or_one, json_schema_input_type=Annotated[int, Field(ge=0)] | None)
]
_COLUMN = ("col", "column")


class _Place(_Model):
    """A cell's place in the grid, counted from 0; row and column may be missing."""

    model_config = ConfigDict(json_schema_extra=either_name(*_COLUMN))

    row: int | None = Field(None, ge=0)
    column: int | None = Field(None, ge=0, validation_alias=AliasChoices(*_COLUMN))
    rowspan: _Span = 1
    colspan: _Span = 1


_CORNERS: TypeAdapter[Corners] = TypeAdapter(Corners)
_PLACE = TypeAdapter(_Place)
_Children = tuple[int | str | None, ...]


def _say_what_is_checked(schema: dict[str, Any]) -> None:
    """Adds to the JSON Schema of an object what its `bbox` and `data` must be if it is a table or a cell."""

    def named(words: set[str]) -> dict[str, Any]:
        names = {"enum": sorted(words)}
        return {"anyOf": [{"properties": {field: names}, "required": [field]} for field in ("type", "category")]}

    corners = _CORNERS.json_schema()
    # The properties alone, since data that is no object is ignored.
    place = {"properties": _PLACE.json_schema(schema_generator=PlainSchema)["properties"]}
    table = {"properties": {"bbox": {"anyOf": [corners, {"type": "null"}]}}}
    cell = {"properties": {"bbox": corners, "data": place}, "required": ["bbox"]}
    schema["allOf"] = [
        {"if": named(_TABLE), "then": table},
        {"if": {"allOf": [named(_CELL), {"not": named(_TABLE)}]}, "then": cell},
    ]


class _Object(_Model):
    """An object of any type on a page; `bbox` and `data` are checked only for tables and cells."""

    model_config = ConfigDict(json_schema_extra=_say_what_is_checked)

    id: int | str | None = None
    """The platform writes null for an id that is no number."""
    type: str | None = None
    """A table or a cell is an object whose type or category says so, in any case and with or without `te-`."""
    category: str | int | None = None
    bbox: Any = None
    """Left, top, right, bottom in units of the page's size."""
    children: Annotated[_Children, BeforeValidator(_or_empty, json_schema_input_type=_Children | None)] = ()
    """The ids of the objects in a table. A table without cells among them gets the cells that lie in it."""
    text: Text = None
    """A cell's text, which is compared with the words found in it; what is no text is ignored."""
    data: Any = None
    """A cell's place in the grid. If a cell of the table has none, all get theirs from their positions."""

    def is_a(self, words: set[str]) -> bool:
        """Whether its category or its type is one of `words`; the platform itself calls a cell `te-cell`."""
        named = (str(word).strip().lower() for word in (self.category, self.type) if word is not None)
        return any(word.replace("-", "_").removeprefix("te_") in words for word in named)

    @property
    def is_cell(self) -> bool:
        return self.is_a(_CELL) and not self.is_a(_TABLE)


class PlatformPage(_Model):
    """One page of the platform's JSON."""

    page_num: int = Field(ge=1)
    """Counts from 1."""
    size: _Size | None = None
    """Tells the unit of all boxes. It may be missing if an option states that."""
    objs: Annotated[
        tuple[_Object, ...], BeforeValidator(_or_empty, json_schema_input_type=tuple[_Object, ...] | None)
    ] = ()

    def page(self, where: str) -> Page:
        """Converts it; `where` is the page's path in the JSON. Raises ValueError with the path of a faulty field."""
        box = PixelBox(left=0, top=0, width=self.size.width, height=self.size.height) if self.size else None
        objects = _Objects(self.objs, where)
        blocks = tuple(objects.table(number) for number, item in enumerate(self.objs) if item.is_a(_TABLE))
        return Page(page_num=self.page_num - 1, bbox=box, blocks=blocks)

    def faults(self, where: str) -> list[str]:
        """What is wrong with each table and each cell, as `pages.0.objs.2.bbox: Field required`."""
        return _Objects(self.objs, where).faults()


class _Objects:
    """Finds a page's objects by id and by position."""

    def __init__(self, objects: Sequence[_Object], where: str) -> None:
        self._objects = objects
        self._where = where
        # Objects can share an id: the platform takes it from the clock.
        self._by_id: dict[int | str, list[int]] = defaultdict(list)
        for number, item in enumerate(objects):
            if item.id is not None:
                self._by_id[item.id].append(number)
        self._by_middle: list[tuple[float, float, int]] | None = None

    def table(self, number: int) -> Block:
        """The table that is the `number`th object. Raises ValueError."""
        item = self._objects[number]
        corners = None if item.bbox is None else self._corners(number)
        found = self._children(item)
        if not found and corners is not None:
            found = self._cells_in(corners)
        cells = self._placed(found)
        return Block(
            type="table",
            bbox=None if corners is None else PixelBox.of(Box(*corners)),
            header=tuple(cell for number, cell in cells if self._objects[number].is_a(_HEADER)),
            cells=tuple(cell for number, cell in cells if not self._objects[number].is_a(_HEADER)),
        )

    def faults(self) -> list[str]:
        """The first fault of each table and each cell."""
        found = []
        for number, item in enumerate(self._objects):
            try:
                if item.is_cell:
                    self._corners(number)
                    self._place(number)
                elif item.is_a(_TABLE) and item.bbox is not None:
                    self._corners(number)
            except ValueError as error:
                found.append(str(error))
        return found

    def _children(self, table: _Object) -> list[int]:
        numbers = {number for child in table.children if child is not None for number in self._by_id.get(child, ())}
        return sorted(number for number in numbers if self._objects[number].is_cell)

    def _cells_in(self, table: Corners) -> list[int]:
        """The cells whose middle lies in the table."""
        if self._by_middle is None:
            self._by_middle = []
            for number, item in enumerate(self._objects):
                if item.is_cell:
                    left, top, right, bottom = self._corners(number)
                    self._by_middle.append(((top + bottom) / 2, (left + right) / 2, number))
            self._by_middle.sort()
        left, top, right, bottom = table
        first = bisect_left(self._by_middle, (top,))
        last = bisect_right(self._by_middle, (bottom, math.inf))
        return sorted(number for _, x, number in self._by_middle[first:last] if left <= x <= right)

    def _placed(self, numbers: Sequence[int]) -> list[tuple[int, Cell]]:
        """A table's cells. If any of them does not name its row and column, all get both from their positions."""
        corners = [self._corners(number) for number in numbers]
        places = [self._place(number) for number in numbers]
        if any(place.row is None or place.column is None for place in places):
            rows = _grid_lines([(top, bottom) for _, top, _, bottom in corners])
            columns = _grid_lines([(left, right) for left, _, right, _ in corners])
        else:
            rows = [(place.row or 0, place.rowspan) for place in places]
            columns = [(place.column or 0, place.colspan) for place in places]
        return [
            (
                number,
                Cell(
                    row=row,
                    rowspan=rowspan,
                    column=column,
                    colspan=colspan,
                    bbox=PixelBox.of(Box(*box)),
                    text=self._objects[number].text,
                ),
            )
            for number, box, (row, rowspan), (column, colspan) in zip(numbers, corners, rows, columns, strict=True)
        ]

    def _place(self, number: int) -> _Place:
        data = self._objects[number].data
        return _checked(_PLACE, data if isinstance(data, dict) else {}, f"{self._where}.objs.{number}.data")

    def _corners(self, number: int) -> Corners:
        where = f"{self._where}.objs.{number}.bbox"
        if self._objects[number].bbox is None:
            raise ValueError(f"{where}: Field required")
        corners = _checked(_CORNERS, self._objects[number].bbox, where)
        left, top, right, bottom = corners
        if not (0 <= right - left < math.inf and 0 <= bottom - top < math.inf):
            raise ValueError(f"{where}: {list(corners)} should be left, top, right, bottom")
        return corners


def _checked(adapter: TypeAdapter[T], value: Any, where: str) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ValueError(explain(error, where)) from None


def _grid_lines(intervals: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """The first row (or column) of each interval, and how many rows it covers.

    Each row is a mark; there are as few marks as put at least one in every interval, each in the middle of what its
    intervals share. An interval covers the rows whose marks lie in it, so the cells of a row need not line up.
    """
    shared: list[tuple[float, float]] = []
    # Neighbouring cells may overlap by the width of a ruling line.
    inner = [(start + RULE_OVERLAP * (end - start), end - RULE_OVERLAP * (end - start)) for start, end in intervals]
    for start, end in sorted(inner, key=lambda interval: interval[1]):
        if not shared or start > shared[-1][1]:
            shared.append((start, end))
        else:
            shared[-1] = (max(start, shared[-1][0]), shared[-1][1])
    marks = [start / 2 + end / 2 for start, end in shared]
    found = []
    for start, end in intervals:
        first = bisect_left(marks, start)
        found.append((first, bisect_right(marks, end) - first))
    return found
