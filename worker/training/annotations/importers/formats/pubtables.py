"""Reads PubTables-1M: PASCAL VOC XML of one image, and the words on it. Pure.

    <annotation><filename>PMC1_table_0.jpg</filename><size><width>800</width><height>240</height></size>
      <object><name>table row</name><bndbox><xmin>36.5</xmin><ymin>36.2</ymin><xmax>…</xmax><ymax>…</ymax></bndbox>
      </object>…</annotation>

    [{"text": "Age", "bbox": [37.5, 40.1, 60.2, 52.0], "block_num": 0, "line_num": 0, "span_num": 0}, …]

The structure set names a table's parts on an image cropped to it: `table`, `table row`, `table column`, `table column
header`, `table projected row header` and `table spanning cell`. The detection set names whole pages' tables, `table`
and `table rotated`, without their cells. A projected row header is a cell across its row, and not one of the header:
BadgerDoc's header is one box around all header rows. https://github.com/microsoft/table-transformer
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from training.annotations.importers.formats.grid import TableGrid, grid_cells
from training.annotations.importers.formats.imported_page import Size
from training.badgerdoc.document import Block, Cell, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Word, Words
from training.tables.structure import MOSTLY, GridCell, share

_TABLES = ("table", "table rotated")
_ROW, _COLUMN, _HEADER = "table row", "table column", "table column header"
_SPANNING = ("table spanning cell", "table projected row header")
_KNOWN = {*_TABLES, _ROW, _COLUMN, _HEADER, *_SPANNING}
_ORDER = ("block_num", "line_num", "span_num")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SIDES = ("width", "height")
Named = tuple[str, Box]


def read(xml: bytes, words: bytes | None, size: Size) -> tuple[Block, ...]:
    """The tables in the XML of an image of `size`, from the top down; `words` is the JSON of its words, if known.

    Raises DocumentError: schema, and coordinates if the XML is of an image of another size.
    """
    root = _root(xml)
    stated = _size(root)
    if stated not in (None, size):
        raise DocumentError(
            Reason.COORDINATES,
            f"The image has {size[0]} x {size[1]} pixels, but its annotation is of another size, "
            f"{' x '.join(root.findtext(f'size/{name}') or '?' for name in _SIDES)}; give the image of the same set.",
        )
    objects = [_named(item) for item in root.iter("object")]
    unknown = sorted({label for label, _ in objects} - _KNOWN)
    if unknown:
        raise _fault(f"it has objects called {', '.join(unknown)}")
    return _tables(objects, _words(words) if words is not None else [])


def _root(xml: bytes) -> ET.Element:
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise _fault("it declares a document type")
    try:
        root = ET.fromstring(xml)  # noqa: S314  entities, its danger, are refused above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise _fault(str(error)) from None
    if root.tag != "annotation":
        raise _fault(f"its root is {root.tag}")
    return root


def _named(item: ET.Element) -> Named:
    label = (item.findtext("name") or "").strip()
    box = Box(*(_number(item.findtext(f"bndbox/{name}"), f"the {name} of a {label}") for name in _CORNERS))
    if box.is_empty:
        raise _fault(f"a {label} has an empty bndbox")
    return label, box


def _size(root: ET.Element) -> Size | None:
    texts = [root.findtext(f"size/{name}") for name in _SIDES]
    if None in texts:
        return None
    width, height = (int(_number(text, "the size")) for text in texts)
    return (width, height) if width > 0 and height > 0 else None


def _number(text: str | None, what: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e9:  # true for NaN, too
        raise _fault(f"{what} is {text!r}, no number of pixels")
    return value


def _words(data: bytes) -> list[Word]:
    """The words in reading order."""
    try:
        items = json.loads(data)
        ordered = sorted(items, key=lambda item: tuple(item.get(field, 0) for field in _ORDER))
        return [Word(Box(*map(float, item["bbox"])), str(item["text"])) for item in ordered]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _fault(f"its words are no list of text and bbox ({type(error).__name__}: {error})") from None


def _tables(objects: Sequence[Named], words: Sequence[Word]) -> tuple[Block, ...]:
    tables = [box for label, box in objects if label in _TABLES]
    parts = [(label, box) for label, box in objects if label not in _TABLES]
    if parts and not tables:
        raise _fault("it has rows and columns but no table")
    of_table: list[list[Named]] = [[] for _ in tables]
    for label, box in parts:
        shares = [share(box, table) for table in tables]
        if max(shares) <= MOSTLY:
            raise _fault(f"a {label} lies outside every table")
        of_table[shares.index(max(shares))].append((label, box))
    blocks = (_block(table, found, words) for table, found in zip(tables, of_table, strict=True))
    return tuple(sorted(blocks, key=lambda block: (block.bbox.top, block.bbox.left) if block.bbox else (0, 0)))


def _block(table: Box, parts: Sequence[Named], words: Sequence[Word]) -> Block:
    def called(*labels: str) -> list[Box]:
        return [box for label, box in parts if label in labels]

    cells = grid_cells(TableGrid(called(_ROW), called(_COLUMN), called(*_SPANNING), called(_HEADER)))
    texts = _texts(cells, words)
    written = [
        (
            place.is_header,
            Cell(
                row=place.row,
                column=place.column,
                rowspan=place.rowspan,
                colspan=place.colspan,
                bbox=PixelBox.of(place.box),
                text=text,
            ),
        )
        for place, text in zip(cells, texts, strict=True)
    ]
    return Block(
        type="table",
        bbox=PixelBox.of(table),
        header=tuple(cell for is_header, cell in written if is_header),
        cells=tuple(cell for is_header, cell in written if not is_header),
    )


def _texts(cells: Sequence[GridCell], words: Sequence[Word]) -> list[str]:
    """The text of each cell: the words of which it holds most, in reading order."""
    order = {word: number for number, word in enumerate(words)}
    on_page = Words(word for word in words if not word.box.is_empty)
    texts = []
    for cell in cells:
        inside = [word for word in on_page.touching(cell.box) if share(word.box, cell.box) > MOSTLY]
        texts.append(" ".join(word.text for word in sorted(inside, key=order.__getitem__)))
    return texts


def _fault(what: str) -> DocumentError:
    return DocumentError(Reason.SCHEMA, f"The annotation is not one of PubTables-1M: {what}; download it again.")
