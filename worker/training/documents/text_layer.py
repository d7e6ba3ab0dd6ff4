"""Reads the words of a PDF's text layer with poppler's pdftotext, in pixels of the rendered page."""

import html
import re
from collections.abc import Iterator, Sequence

from training.documents.poppler import PdfFile, run_poppler
from training.documents.quarantine import DocumentError, Reason
from training.documents.render import POINTS_PER_INCH, RenderOptions, page_chunks
from training.geometry import Box

_PAGE_START = re.compile(r"^  <page ", re.MULTILINE)
_WORD_START = r'^    <word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">'
_WORD = re.compile(_WORD_START, re.MULTILINE)
_WORD_AND_TEXT = re.compile(_WORD_START + r"([^<]*)</word>", re.MULTILINE)


def page_words(pdf: PdfFile, numbers: Sequence[int], options: RenderOptions) -> dict[int, list[Box]]:
    """The boxes of each page's words, in pixels, by page number (from 0); an empty list for a page without words.

    Raises DocumentError (corrupt, too_large, timeout).
    """
    words: dict[int, list[Box]] = {}
    scale = options.dpi / POINTS_PER_INCH
    for number, part in _word_parts(pdf, numbers, options):
        boxes = (Box(*(float(edge) * scale for edge in edges)) for edges in _WORD.findall(part))
        words[number] = [box for box in boxes if not box.is_empty]
    return words


def page_word_texts(pdf: PdfFile, numbers: Sequence[int], options: RenderOptions) -> dict[int, dict[Box, str]]:
    """Like `page_words`, with the text of each word. A word drawn twice in one place, to look bold, counts once.

    Raises DocumentError (corrupt, too_large, timeout).
    """
    texts: dict[int, dict[Box, str]] = {}
    scale = options.dpi / POINTS_PER_INCH
    for number, part in _word_parts(pdf, numbers, options):
        words = ((Box(*(float(edge) * scale for edge in edges)), text) for *edges, text in _WORD_AND_TEXT.findall(part))
        texts[number] = {box: html.unescape(text) for box, text in words if not box.is_empty}
    return texts


def _word_parts(pdf: PdfFile, numbers: Sequence[int], options: RenderOptions) -> Iterator[tuple[int, str]]:
    """Each page's number and its part of pdftotext's output."""
    for first, last in page_chunks(numbers):
        command = ["pdftotext", "-bbox", "-f", str(first + 1), "-l", str(last + 1), str(pdf.path), "-"]
        answer = run_poppler(command, pdf, timeout_s=options.timeout_s(last - first + 1))
        # Parsed by regular expressions, since texts and titles of real files hold characters that XML forbids. No text
        # can look like one of these tags: pdftotext escapes all that comes from the PDF.
        parts = _PAGE_START.split(answer.decode("utf-8", errors="replace"))[1:]
        if len(parts) != last - first + 1:
            raise DocumentError(
                Reason.CORRUPT, f"The text of the pages {first} to {last} cannot be read; export it again."
            )
        yield from zip(range(first, last + 1), parts, strict=True)
