"""Reads what pdftoppm says of the pages that it draws, and knows which of it means that something is not drawn. Pure.

pdftoppm writes `Syntax Error: …` and the like while it draws a page, and with `-progress` a line `page last file` after
it, so that what stands before that line is of that page. Most of what poppler says of real PDFs is harmless: bad links,
missing lengths, tables of objects that it mends. The sentences here are those of poppler 22.12 and of the versions up
to 25, in Stream.cc, JPEG2000Stream.cc, JBIG2Stream.cc, DCTStream.cc and GfxFont.cc.
"""

import enum
import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_LINE_BYTES = 500
MAX_LINES = 2_000  # read of one page: a hostile PDF can print gigabytes
MAX_COMPLAINTS = 20  # kept of one page; the first ones say what is wrong
_PROGRESS = re.compile(rb"\d+ \d+ \S")


class Effect(enum.Enum):
    """What is missing where poppler complains."""

    WHOLE_IMAGE = enum.auto()
    """Nothing of the image is drawn, or nothing of it can be trusted."""
    PART = enum.auto()
    """What follows a place in an image or in the page's own content: nothing, or all that matters."""
    GLYPHS = enum.auto()
    """The texts of a font are drawn with wrong glyphs or not at all."""


class Complaint(NamedTuple):
    """One sentence of poppler, and what it means. `encoding` is that of the image as `pdfimages -list` calls it."""

    effect: Effect
    encoding: str | None
    text: str


_MEANINGS = [
    (re.compile(pattern), effect, encoding)
    for pattern, effect, encoding in (
        (r"Did no succeed opening JPX Stream\.", Effect.WHOLE_IMAGE, "jpx"),
        (r"Could not find start of jpeg data", Effect.WHOLE_IMAGE, "jpeg"),
        (r"\bJBIG2", Effect.WHOLE_IMAGE, "jbig2"),
        (r"Unknown filter '", Effect.WHOLE_IMAGE, None),
        (r"\bCCITTFax", Effect.PART, "ccitt"),
        (r"in flate stream|\bLZW stream", Effect.PART, "image"),
        (r"End of file in inline image", Effect.PART, None),
        (r"No font in show|non-embedded font using identity encoding", Effect.GLYPHS, None),
        (r"Couldn't find a font to substitute", Effect.GLYPHS, None),
        (r"Missing language pack for|Unknown character collection|Couldn't find '.*' CMap file", Effect.GLYPHS, None),
    )
]


def meaning(line: str) -> Complaint | None:
    """What a line of poppler's says that is missing, or None if nothing is."""
    for pattern, effect, encoding in _MEANINGS:
        if pattern.search(line):
            return Complaint(effect, encoding, re.sub(r"^[A-Z]\w+ (Error|Warning)( \(\d+\))?: ", "", line))
    return None


class ComplaintReader:
    """Takes pdftoppm's error output as it comes, in blocks, and keeps a bounded part: what matters of each page."""

    def __init__(self) -> None:
        self._line = b""
        self._lines = 0
        self._pages: list[dict[Complaint, None]] = [{}]

    def feed(self, block: bytes) -> None:
        """The next block of the output."""
        *complete, last = (self._line + block).split(b"\n")
        for line in complete:
            self._take(line)
        self._line = last[:MAX_LINE_BYTES]

    def of_pages(self, count: int) -> list[tuple[Complaint, ...]]:
        """What was said of each of the `count` pages that were drawn, each sentence once, in order."""
        pages = [tuple(page) for page in self._pages[:count]]
        return pages + [()] * (count - len(pages))

    def _take(self, line: bytes) -> None:
        if _PROGRESS.match(line):
            self._pages.append({})
            self._lines = 0
            return
        self._lines += 1
        page = self._pages[-1]
        if self._lines > MAX_LINES or len(page) >= MAX_COMPLAINTS:
            return
        complaint = meaning(line[:MAX_LINE_BYTES].decode("utf-8", errors="replace"))
        if complaint is not None:
            page[complaint] = None


def first_of(complaints: Iterable[Complaint], effect: Effect) -> Complaint | None:
    """The first complaint of that effect."""
    return next((complaint for complaint in complaints if complaint.effect is effect), None)
