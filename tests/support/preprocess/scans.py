"""Scans of one A4 page with a table of twelve cells, whole and damaged, with or without an invisible OCR text."""

import io
import json
import zlib
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from tests.support.preprocess.raw_pdf import one_page, raw_stream

WIDTH_PT, HEIGHT_PT = 595, 842
SCAN_DPI, JSON_DPI = 150, 120
TEXTS = [
    ["Region", "Year", "Amount"],
    ["North", "2019", "1,204"],
    ["South", "2020", "3,377"],
    ["West", "2021", "9,582"],
]
LEFT_PT, TOP_PT, COLUMN_PT, ROW_PT, SIZE_PT = 90, 120, 140, 150, 14
TABLE_BOTTOM_PT = TOP_PT + 3 * ROW_PT + 24
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTES = 273, 278, 279  # tags of TIFF
STAMP = b"BT /F 12 Tf 0 Tr 200 810 Td (Received 3 March) Tj ET\n"


class Encoded(NamedTuple):
    """A page's image as a PDF holds it: the dictionary's entries that say how, and the data."""

    entries: bytes
    data: bytes

    def cut(self, part: float) -> "Encoded":
        """Only the first `part` of the data, from 0 to 1."""
        return self._replace(data=self.data[: int(len(self.data) * part)])

    def cut_rows(self, part: float) -> "Encoded":
        """A Flate stream of the first `part` of the rows, from 0 to 1, that then ends in the middle."""
        packer = zlib.compressobj()
        rows = zlib.decompress(self.data)
        return self._replace(data=packer.compress(rows[: int(len(rows) * part)]) + packer.flush(zlib.Z_SYNC_FLUSH))

    def nonsense(self) -> "Encoded":
        """As much data that means nothing."""
        return self._replace(data=b"This is no image. " * (len(self.data) // 18))


def scanned() -> Image.Image:
    """What the scanner saw, in grey."""
    image = Image.new("L", (WIDTH_PT * SCAN_DPI // 72, HEIGHT_PT * SCAN_DPI // 72), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(SIZE_PT * SCAN_DPI / 72)
    for row, column, text in _cells():
        left, top = LEFT_PT + column * COLUMN_PT, TOP_PT + row * ROW_PT
        draw.text((left * SCAN_DPI / 72, top * SCAN_DPI / 72), text, font=font, fill=0, anchor="la")
    return image


def dct() -> Encoded:
    return Encoded(_grey(b"DCTDecode"), _saved(scanned(), "JPEG", quality=85))


def jpx() -> Encoded:
    return Encoded(_grey(b"JPXDecode"), _saved(scanned(), "JPEG2000"))


def flate() -> Encoded:
    return Encoded(_grey(b"FlateDecode"), zlib.compress(scanned().tobytes()))


def jbig2_nonsense() -> Encoded:
    """No encoder is at hand, and none is needed for what cannot be decoded."""
    return Encoded(_grey(b"JBIG2Decode", bits=1), b"This is no image. " * 200)


def ccitt() -> Encoded:
    file = io.BytesIO()
    width, height = scanned().size
    scanned().convert("1").save(file, "TIFF", compression="group4", tiffinfo={ROWS_PER_STRIP: height})
    with Image.open(file) as tiff:
        [offset], [count] = tiff.tag_v2[STRIP_OFFSETS], tiff.tag_v2[STRIP_BYTES]  # type: ignore[attr-defined]
    data = file.getvalue()[offset : offset + count]
    parameters = b"/DecodeParms << /K -1 /BlackIs1 true /Columns %d /Rows %d >>" % (width, height)
    return Encoded(_grey(b"CCITTFaxDecode", bits=1) + parameters, data)


def scan_pdf(image: Encoded, *, words: bool, stamp: bool = False) -> bytes:
    """A scan whose OCR layer, if it has one, lies on the table's texts; a stamp is a visible line above the table."""
    content = b"q %d 0 0 %d 0 0 cm /I Do Q\n" % (WIDTH_PT, HEIGHT_PT)
    # The stamp lies on the white page, so that an image that cannot be drawn does not hide it.
    content += (typed_table(hidden=12) if words else b"") + (STAMP if stamp else b"")
    return one_page(content, raw_stream(image.data, image.entries))


def typed_table(*, hidden: int = 0) -> bytes:
    """The content stream of a page that has the table as text; its last `hidden` words are invisible."""
    content = b""
    for index, (row, column, text) in enumerate(_cells()):
        x, y = LEFT_PT + column * COLUMN_PT, HEIGHT_PT - TOP_PT - row * ROW_PT - SIZE_PT * 0.8
        mode = 3 if index >= 12 - hidden else 0
        content += b"BT /F %d Tf %d Tr %d %.1f Td (%s) Tj ET\n" % (SIZE_PT, mode, x, y, text.encode())
    return content


def annotations(*, tables: bool = True) -> bytes:
    """The page as an annotator marks it: with the table, or as one without tables."""
    cells = []
    for row, column, _ in _cells():
        box = _box(LEFT_PT + column * COLUMN_PT - 5, TOP_PT + row * ROW_PT - 5, COLUMN_PT - 10, SIZE_PT + 12)
        cells.append({"row": row, "column": column, "rowspan": 1, "colspan": 1, "bbox": box})
    table = _box(LEFT_PT - 10, TOP_PT - 10, 3 * COLUMN_PT, TABLE_BOTTOM_PT - TOP_PT + 10)
    block = {"type": "table", "bbox": table, "header": cells[:3], "cells": cells[3:]}
    page = {"page_num": 0, "bbox": _box(0, 0, WIDTH_PT, HEIGHT_PT), "blocks": [block] if tables else []}
    return json.dumps({"pages": [page]}).encode()


def _cells() -> list[tuple[int, int, str]]:
    return [(row, column, text) for row, texts in enumerate(TEXTS) for column, text in enumerate(texts)]


def _box(left: float, top: float, width: float, height: float) -> dict[str, int]:
    edges = {"left": left, "top": top, "width": width, "height": height}
    return {name: round(points * JSON_DPI / 72) for name, points in edges.items()}


def _grey(filter_name: bytes, bits: int = 8) -> bytes:
    width, height = scanned().size
    return (
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent %d /Filter /%s "
        % (width, height, bits, filter_name)
    )


def _saved(image: Image.Image, file_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()
