"""Writes the BadgerDoc JSON of one document, page by page, from the types of `document.py`. Pure."""

import json
from collections.abc import Callable
from typing import Any

from training.badgerdoc.document import Block, Cell, Page, PixelBox


class DocumentWriter:
    """Passes the JSON to `write` piece by piece: its start at once, each page with `add`, the rest with `end`."""

    def __init__(self, write: Callable[[bytes], None], doc_name: str) -> None:
        self._write = write
        self._separator = b"\n"
        write(b'{"doc_name": %s,\n"pages": [' % json.dumps(doc_name).encode())

    def add(self, page: Page) -> None:
        """Writes the next page."""
        self._write(self._separator + json.dumps(page_json(page)).encode())
        self._separator = b",\n"

    def end(self, name: str, value: Any) -> None:
        """Writes a last field, which readers of annotations ignore, and the end of the JSON."""
        self._write(_before_last_field(name) + json.dumps(value).encode() + b"}\n")


def split_last_field(data: bytes, name: str) -> tuple[bytes, Any]:
    """What was written before the last field `name`, and the field's value, which is None without such a field."""
    content, mark, rest = data.rpartition(_before_last_field(name))
    try:
        return content, json.loads(rest.removesuffix(b"}\n")) if mark else None
    except ValueError:
        return content, None


def page_json(page: Page) -> dict[str, Any]:
    """The page as a JSON object of the format in `document.py`."""
    frame = {} if page.frame is None else {"frame": page.frame.value}
    blocks = [_block(block) for block in page.blocks]
    return {"page_num": page.page_num, "bbox": _box(page.bbox), **frame, "blocks": blocks}


def _before_last_field(name: str) -> bytes:
    return b'\n],\n"%s": ' % name.encode()


def _block(block: Block) -> dict[str, Any]:
    return {
        "type": block.type,
        "bbox": _box(block.bbox),
        "header": [_cell(cell) for cell in block.header],
        "cells": [_cell(cell) for cell in block.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "row": cell.row,
        "column": cell.column,
        "rowspan": cell.rowspan,
        "colspan": cell.colspan,
        "bbox": _box(cell.bbox),
        "text": cell.text or "",
    }


def _box(box: PixelBox | None) -> dict[str, float] | None:
    if box is None:
        return None
    edges = {"left": box.left, "top": box.top, "height": box.height, "width": box.width}
    # Whole pixels are written as integers.
    return {edge: int(pixels) if pixels.is_integer() else pixels for edge, pixels in edges.items()}
