"""Finds pages that count in units other than points (`/UserUnit`), which poppler 22.12 neither prints nor applies.

Few files have such pages, so the file is searched for the word first, in its object streams too. Only if it is there,
or an object stream cannot be read, pypdf reads the pages: in a process of its own, limited in time like poppler's
programs, since a damaged file may keep it busy for ever.
"""

import json
import mmap
import re
import sys
import zlib

from training.documents.poppler import PROGRAM_TIMEOUT_S, PdfFile, run_program
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes import read_user_units

_NAME = b"/UserUnit"
_OBJECT_STREAM = re.compile(rb"/ObjStm.{0,1000}?stream\r?\n", re.DOTALL)
_PIECE_BYTES = 1 << 16  # of an object stream: it is inflated piece by piece, so that a bomb does not fill the memory
_MAX_PIECES = 1 << 12


def user_units(pdf: PdfFile, pages: int) -> dict[int, float]:
    """Points per unit of the pages, by number (from 0), where it is not 1; the PDF has `pages` pages.

    Raises DocumentError (corrupt) for a file that names units, but that pypdf cannot read. Any other that it cannot
    read counts in points.
    """
    with pdf.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        is_named = data.find(_NAME) >= 0
        may_have_units = is_named or any(_may_hold_name(data, start.end()) for start in _OBJECT_STREAM.finditer(data))
    if not may_have_units:
        return {}
    command = [sys.executable, "-P", read_user_units.__file__, str(pdf.path), pdf.password or ""]
    try:
        answer = json.loads(run_program(command, pdf, timeout_s=PROGRAM_TIMEOUT_S))
    except (DocumentError, ValueError):
        answer = {"pages": None}
    if answer["pages"] == pages:
        return {int(page): unit for page, unit in answer["units"].items()}
    if is_named:
        raise DocumentError(
            Reason.CORRUPT,
            "The PDF counts pages in units of their own (UserUnit), but is too damaged to read them; export it again.",
        )
    return {}


def _may_hold_name(data: mmap.mmap, start: int) -> bool:
    """Whether the object stream at `start` holds the name, or cannot be inflated."""
    inflate = zlib.decompressobj()
    before = b""
    rest = data[start : start + _PIECE_BYTES]
    next_piece = start + _PIECE_BYTES
    for _ in range(_MAX_PIECES):
        try:
            piece = inflate.decompress(rest, _PIECE_BYTES)
        except zlib.error:
            return True
        if _NAME in before + piece:
            return True
        if inflate.eof:
            return False
        before = piece[-len(_NAME) :]
        rest = inflate.unconsumed_tail
        if not rest:
            rest = data[next_piece : next_piece + _PIECE_BYTES]
            next_piece += _PIECE_BYTES
            if not rest:
                return True
    return True
