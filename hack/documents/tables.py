"""Invents tables: their grid, their texts, their measures and their looks."""

import random
from dataclasses import dataclass
from itertools import accumulate

from hack.documents.text import FONTS, UNITS, label, number, sentence, wrapped

Colour = tuple[float, float, float]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (1, 1, 1)
STYLES = (
    *("bordered",) * 5,
    *("rows ruled",) * 3,
    *("header ruled",) * 3,
    *("borderless",) * 2,
    "columns ruled",
    "framed",
    "striped",
)
LIGHT_FILLS: tuple[Colour | None, ...] = (
    *(None,) * 5,
    (0.85, 0.89, 0.95),
    (0.9, 0.9, 0.9),
    (0.75, 0.75, 0.75),
    (0.95, 0.88, 0.8),
    (0.98, 0.95, 0.6),
    (0.85, 0.93, 0.83),
)
DARK_FILLS: tuple[Colour, ...] = (
    (0.15, 0.25, 0.5),
    (0.95, 0.5, 0.1),
    (0.2, 0.45, 0.3),
    (0.3, 0.3, 0.3),
    (0.6, 0.1, 0.1),
)
RULE_COLOURS: tuple[Colour, ...] = (BLACK, BLACK, BLACK, (0.5, 0.5, 0.5), (0.2, 0.3, 0.6))
LEADING = 1.15  # from line to line, in font sizes
FEWEST_ROWS = 2


@dataclass(frozen=True)
class GridCell:
    """A cell of a table before it is placed; it has no lines if it is empty."""

    row: int
    column: int
    rowspan: int
    colspan: int
    lines: tuple[str, ...]
    is_header: bool
    alignment: str  # left, centre, right
    is_vertical: bool = False  # its one line runs upwards

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Looks:
    """How a table is drawn; lengths in points."""

    style: str
    fonts: tuple[str, str]
    font_size: float
    padding: float
    rule_width: float
    rule_colour: Colour
    header_fill: Colour | None
    header_text: Colour
    stripe: Colour | None  # of every second row
    header_is_bold: bool

    def font(self, cell: GridCell) -> str:
        return self.fonts[cell.is_header and self.header_is_bold]


@dataclass(frozen=True)
class TableSketch:
    """A table with its looks and measures in points."""

    cells: tuple[GridCell, ...]
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    header_rows: int
    looks: Looks

    @property
    def width(self) -> float:
        return sum(self.widths)

    @property
    def height(self) -> float:
        return sum(self.heights)

    @property
    def tops(self) -> tuple[float, ...]:
        """Where each row begins, from the table's top; the last number is where the table ends."""
        return tuple(accumulate(self.heights, initial=0.0))

    def rectangle(self, cell: GridCell) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in points from the table's top-left corner, y down."""
        left = sum(self.widths[: cell.column])
        right = sum(self.widths[: cell.column + cell.colspan])
        tops = self.tops
        return left, tops[cell.row], right, tops[cell.row + cell.rowspan]


def sketch_table(rng: random.Random, fonts: tuple[str, str], room: float, width: float) -> TableSketch | None:
    """A random table that fits in `room` x `width` points, or None where there is too little."""
    looks = _looks(rng, fonts)
    shape = _shape(rng, looks, room, width)
    if shape is None:
        return None
    sketch = _filled(rng, looks, shape)
    return sketch if sketch.height <= room else None


def _looks(rng: random.Random, fonts: tuple[str, str]) -> Looks:
    style = rng.choice(STYLES)
    is_dark = rng.random() < 0.15
    return Looks(
        style=style,
        fonts=fonts if rng.random() < 0.7 else rng.choice(FONTS),
        font_size=rng.choice((6.5, 7.0, 8.0, 8.0, 9.0, 9.0, 10.0, 10.0, 11.0, 12.0)),
        padding=rng.uniform(2.5, 6),
        rule_width=rng.choice((0.3, 0.5, 0.8, 0.8, 1.2)),
        rule_colour=rng.choice(RULE_COLOURS),
        header_fill=rng.choice(DARK_FILLS) if is_dark else rng.choice(LIGHT_FILLS),
        header_text=WHITE if is_dark else BLACK,
        stripe=rng.choice(((0.93, 0.93, 0.93), (0.9, 0.94, 0.98))) if style == "striped" else None,
        header_is_bold=rng.random() < 0.75,
    )


@dataclass(frozen=True)
class Shape:
    """The measures of a table's grid before its texts are known; lengths in points."""

    widths: tuple[float, ...]
    rows: int
    header_rows: int
    row_height: float  # of a row with one line


def _shape(rng: random.Random, looks: Looks, room: float, width: float) -> Shape | None:
    narrowest = 4.2 * looks.font_size + 2 * looks.padding
    most_columns = int(width / narrowest)
    if most_columns < 2:
        return None
    columns = min(rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10)), most_columns)
    table_width = max(width * rng.choice((rng.uniform(0.4, 1.0), rng.uniform(0.85, 1.0), 1.0)), columns * narrowest)
    row_height = round(looks.font_size * rng.choice((rng.uniform(1.2, 1.6), rng.uniform(1.6, 2.5))), 1)
    header_rows = rng.choice((1, 1, 1, 1, 2, 2, 0))
    most_rows = min(int(room / row_height), rng.choice((6, 10, 16, 40)))
    fewest_rows = header_rows + FEWEST_ROWS
    if most_rows < fewest_rows:
        return None
    rows = most_rows if rng.random() < 0.4 else rng.randint(fewest_rows, most_rows)
    weights = [rng.uniform(0.8, 1.3) + (rng.choice((0.3, 0.9, 1.8)) if column == 0 else 0) for column in range(columns)]
    spare = table_width - columns * narrowest
    widths = tuple(narrowest + spare * weight / sum(weights) for weight in weights)
    return Shape(widths, rows, header_rows, row_height)


class Writer:
    """Invents the texts of one table's cells, in the same manner for all of them."""

    def __init__(self, rng: random.Random, looks: Looks, shape: Shape) -> None:
        self._rng = rng
        self._looks = looks
        self._shape = shape
        self._wordy = {column for column in range(len(shape.widths)) if rng.random() < 0.12}
        self._has_header_column = rng.random() < (0.9 if shape.header_rows == 0 else 0.2)
        self._figures = rng.choice(("right", "right", "right", "centre", "left"))
        self._captions = rng.choice(("left", "centre", "centre"))
        self._empty_share = rng.choice((0.0, 0.05, 0.08, 0.25))
        self._turns_header = shape.header_rows == 1 and rng.random() < 0.04

    def row(self, row: int, places: list[tuple[int, int, int]]) -> list[GridCell]:
        """The cells of a row; `places` are their columns, rowspans and colspans."""
        is_in_header = row < self._shape.header_rows
        most_lines = self._rng.randint(1, 3) if is_in_header or self._wordy else 1
        return [self._cell(row, *place, most_lines) for place in places]

    def _cell(self, row: int, column: int, rowspan: int, colspan: int, most_lines: int) -> GridCell:
        rng, looks = self._rng, self._looks
        is_in_header = row < self._shape.header_rows
        is_header = is_in_header or (self._has_header_column and column == 0 and colspan == 1)
        is_figure = not is_header and column > 0 and column not in self._wordy
        alignment = self._figures if is_figure else self._captions if is_header and column > 0 else "left"
        if self._turns_header and is_in_header and column > 0:
            return GridCell(row, column, rowspan, colspan, (label(rng, 1),), is_header, alignment, is_vertical=True)
        width = sum(self._shape.widths[column : column + colspan]) - 2 * looks.padding
        font = looks.fonts[is_header and looks.header_is_bold]
        text = self._figure() if is_figure else self._words(column, is_in_header=is_in_header)
        lines = tuple(wrapped(text, font, looks.font_size, width, most_lines * rowspan))
        return GridCell(row, column, rowspan, colspan, lines, is_header, alignment)

    def _figure(self) -> str:
        return "" if self._rng.random() < self._empty_share else number(self._rng)

    def _words(self, column: int, *, is_in_header: bool) -> str:
        rng = self._rng
        if is_in_header:
            if column == 0 and rng.random() < 0.25:
                return ""
            unit = f" ({rng.choice(UNITS)})" if rng.random() < 0.2 else ""
            return label(rng, rng.randint(1, 3)) + unit
        return sentence(rng, rng.randint(2, 12)) if column in self._wordy else label(rng)


def _filled(rng: random.Random, looks: Looks, shape: Shape) -> TableSketch:
    """Fills the grid with texts. Rows are as high as their lines need; rows that no longer fit are left out."""
    writer = Writer(rng, looks, shape)
    cells: list[GridCell] = []
    heights: list[float] = []
    for row, places in enumerate(_grid(rng, shape)):
        found = writer.row(row, places)
        height = shape.row_height + (_lines(found) - 1) * looks.font_size * LEADING
        if any(cell.is_vertical for cell in found):
            height = max(height, 6 * looks.font_size)
        is_full = sum(heights) + height > shape.rows * shape.row_height
        if is_full and row >= shape.header_rows + FEWEST_ROWS:
            break
        cells += found
        heights.append(height)
    return TableSketch(tuple(cells), shape.widths, tuple(heights), shape.header_rows, looks)


def _lines(row: list[GridCell]) -> int:
    """How many lines a row must have room for."""
    return max((-(-len(cell.lines) // cell.rowspan) for cell in row if cell.lines and not cell.is_vertical), default=1)


def _grid(rng: random.Random, shape: Shape) -> list[list[tuple[int, int, int]]]:
    """Column, rowspan and colspan of the cells of every row.

    Two header rows have a tall first cell and wide ones beside it; a section is a row of one cell.
    """
    rows, columns, header_rows = shape.rows, len(shape.widths), shape.header_rows
    sections = {row for row in range(header_rows + 1, rows) if header_rows and rng.random() < 0.04}
    grouped = header_rows == 2
    group = rng.choice((2, 2, 3, columns))
    wide_last_row = rng.random() < 0.1 and columns > 2
    places = []
    for row in range(rows):
        if row in sections:
            places.append([(0, 1, columns)])
            continue
        found = []
        column = 0
        while column < columns:
            rowspan, colspan = 1, 1
            if grouped and row == 0:
                rowspan, colspan = (2, 1) if column == 0 else (1, min(group, columns - column))
            elif grouped and row == 1 and column == 0:
                column += 1
                continue
            elif wide_last_row and row == rows - 1 and column == 0:
                colspan = 2
            found.append((column, rowspan, colspan))
            column += colspan
        places.append(found)
    return places
