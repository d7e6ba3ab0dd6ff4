"""Reads the words of a PDF's text layer with poppler's pdftotext, in pixels of the rendered page."""

import html
import re
from collections.abc import Sequence

from training.documents.poppler import PdfFile, run_poppler
from training.documents.quarantine import DocumentError, Reason
from training.documents.render import RenderOptions, box_options, drawn_runs
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageSize
from training.geometry import Box, Word

_PAGE_START = re.compile(r"^  <page ", re.MULTILINE)
_WORD = re.compile(
    r'^    <word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">([^<]*)</word>', re.MULTILINE
)


def page_words(
    pdf: PdfFile, numbers: Sequence[int], sizes: Sequence[PageSize], options: RenderOptions
) -> dict[int, list[Word]]:
    """Each page's words by page number (from 0), in the order of the text layer, their boxes in pixels.

    The pixels are those of the pages drawn with `sizes`, the sizes of all pages. A word drawn twice in one place, to
    look bold, counts once. Raises DocumentError (corrupt, too_large, timeout).
    """
    words: dict[int, list[Word]] = {}
    for first, last in drawn_runs(numbers, sizes):
        scale = options.dpi * sizes[first].user_unit / POINTS_PER_INCH
        command = ["pdftotext", "-bbox", *box_options(sizes[first])]
        command += ["-f", str(first + 1), "-l", str(last + 1), str(pdf.path), "-"]
        answer = run_poppler(command, pdf, timeout_s=options.timeout_s(last - first + 1))
        # Parsed by regular expressions, since texts and titles of real files hold characters that XML forbids. No text
        # can look like one of these tags: pdftotext escapes all that comes from the PDF.
        parts = _PAGE_START.split(answer.decode("utf-8", errors="replace"))[1:]
        if len(parts) != last - first + 1:
            raise DocumentError(
                Reason.CORRUPT, f"The text of the pages {first} to {last} cannot be read; export it again."
            )
        for number, part in enumerate(parts, first):
            found = ((Box(*(float(edge) * scale for edge in edges)), text) for *edges, text in _WORD.findall(part))
            texts = {box: html.unescape(text) for box, text in found if not box.is_empty}
            words[number] = [Word(box, text) for box, text in texts.items()]
    return words
