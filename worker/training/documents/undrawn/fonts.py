"""Which words are drawn as empty boxes, since their font is neither in the PDF nor on this machine.

Poppler draws such text with a font of this machine and says nothing if that lacks the glyphs.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from training.documents.poppler import PdfFile, run_fontconfig, run_poppler
from training.documents.quarantine import DocumentError
from training.geometry import Word

# Every font that draws text in place of another has Latin, Greek and Cyrillic letters, which come before this one.
FIRST_RARE = 0x0530
_FONT = re.compile(r"^.*? CID \S.*? +(yes|no) +(?:yes|no) +(?:yes|no) +(\d+ +\d+) *$", re.MULTILINE)
_SUBSTITUTE = re.compile(r"^(.+?) +(\d+ +\d+) .*? (/.*\S) *$", re.MULTILINE)


class CidFont(NamedTuple):
    """A font with more glyphs than a byte can number, as of Asian texts; `file` has the glyphs if the PDF has not."""

    name: str
    file: str | None


def list_cid_fonts(pdf: PdfFile, first: int, last: int, *, timeout_s: float) -> list[CidFont]:
    """The CID fonts of the pages `first` to `last` (from 0), or none if they cannot be listed."""
    command = ["pdffonts", "-f", str(first + 1), "-l", str(last + 1)]
    try:
        fonts, substitutes = (
            run_poppler([*command, *option, str(pdf.path)], pdf, timeout_s=timeout_s).decode("utf-8", errors="replace")
            for option in ([], ["-subst"])
        )
    except DocumentError:
        return []
    return parse_cid_fonts(fonts, substitutes)


def parse_cid_fonts(fonts: str, substitutes: str) -> list[CidFont]:
    """Reads the tables that `pdffonts` and `pdffonts -subst` print."""
    by_object = {" ".join(number.split()): (name, file) for name, number, file in _SUBSTITUTE.findall(substitutes)}
    found = []
    for embedded, number in _FONT.findall(fonts):
        name, file = by_object.get(" ".join(number.split()), ("", None))
        found.append(CidFont(name, file if embedded == "no" else None))
    return found


def rare_words(words: Iterable[Word]) -> list[Word]:
    """The words with a letter that a font may well lack."""
    return [word for word in words if not word.text.isascii() and any(map(_is_rare, word.text))]


def words_without_glyphs(words: Iterable[Word], glyphs: Sequence[range]) -> list[Word]:
    """The words with a rare letter that is in none of the ranges of code points."""
    return [
        word
        for word in rare_words(words)
        if any(_is_rare(letter) and not any(ord(letter) in part for part in glyphs) for letter in word.text)
    ]


@lru_cache(maxsize=32)
def glyphs_of(file: str) -> tuple[range, ...]:
    """The code points that a font file has glyphs for, as fontconfig says; all, if it cannot say."""
    answer = run_fontconfig(["fc-query", "--format", "%{charset} ", file])
    return parse_charset(answer) if answer else (range(0x110000),)


def parse_charset(charset: str) -> tuple[range, ...]:
    """Reads fontconfig's way to write a set of code points: `20-7e a0 4e00-9fa5`."""
    parts = (part.split("-") for part in charset.split())
    return tuple(range(int(ends[0], 16), int(ends[-1], 16) + 1) for ends in parts)


def _is_rare(letter: str) -> bool:
    return ord(letter) >= FIRST_RARE and letter.isalpha()
