"""pdf2image, with one process a call instead of three, and silent.

Before it draws, pdf2image asks pdfinfo for the number of pages and pdftoppm for its version: the first is known here
and checked afterwards, the second does not change while a program runs. On a PDF of two pages that is a quarter of the
time. And it keeps all that pdftoppm complains of in memory, gigabytes of it for a hostile PDF, looks at none of it, and
has no option for pdftoppm's own to be silent.
"""

import math
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pdf2image.pdf2image

from training.documents.poppler import PdfFile

JPEG_QUALITY = 95


def draw_to_files(
    pdf: PdfFile, first: int, last: int, *, dpi: int, fmt: str, folder: Path, timeout_s: float
) -> list[Path]:
    """Draws the pages `first` to `last`, from 0, which the PDF must have; returns their files in order.

    Fewer files than pages where the renderer died: it raises nothing then. Raises pdf2image's PDFPopplerTimeoutError.
    """
    # A folder of its own for each call: pdf2image returns what it finds there. It starts one process, which it kills
    # when the time is over; with its thread_count there would be several and some left.
    paths = pdf2image.convert_from_path(
        pdf.path,
        dpi=dpi,
        output_folder=tempfile.mkdtemp(dir=folder),
        first_page=first + 1,
        last_page=last + 1,
        fmt=fmt,
        jpegopt={"quality": JPEG_QUALITY, "progressive": "n", "optimize": "n"},
        output_file="page",
        paths_only=True,
        timeout=math.ceil(timeout_s),
        userpw=pdf.password,  # type: ignore[arg-type]  # None is its own default
    )
    return [Path(str(path)) for path in paths]


def _start_silent(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([command[0], "-q", *command[1:]] if command[0] == "pdftoppm" else command, **options)


def _no_page_count(*_: object, **__: object) -> dict[str, float]:
    return {"Pages": math.inf}


pdf2image.pdf2image.Popen = _start_silent  # type: ignore[assignment, attr-defined]
pdf2image.pdf2image.pdfinfo_from_path = _no_page_count
pdf2image.pdf2image._get_poppler_version = cache(pdf2image.pdf2image._get_poppler_version)
