"""Draws PDF pages with pdf2image, patched to start one process per call instead of three and to silence pdftoppm.

Before it draws, pdf2image asks pdfinfo for the number of pages and pdftoppm for its version. Here the number is known
and checked afterwards, and the version does not change while a program runs: skipping both saves a quarter of the time
on a PDF of two pages. pdf2image also keeps pdftoppm's error output in memory (gigabytes for a hostile PDF), never reads
it, and has no option that passes `-q` to pdftoppm.
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
    pdf: PdfFile,
    first: int,
    last: int,
    *,
    dpi: float,
    fmt: str,
    folder: Path,
    timeout_s: float,
    is_cropped: bool = False,
) -> list[Path]:
    """Draws the pages `first` to `last` (from 0; the PDF must have them) at `dpi`; returns their files in order.

    It draws their MediaBox, or their CropBox with `is_cropped`. If the renderer dies, it raises nothing and
    returns fewer files. Raises pdf2image's PDFPopplerTimeoutError.
    """
    # A new folder for each call, since pdf2image returns all files that it finds there. It starts one process and kills
    # it at the timeout; with its thread_count it would start several and leave some running.
    paths = pdf2image.convert_from_path(
        pdf.path,
        dpi=dpi,  # type: ignore[arg-type]  # pdftoppm takes fractions, too
        output_folder=tempfile.mkdtemp(dir=folder),
        first_page=first + 1,
        last_page=last + 1,
        fmt=fmt,
        jpegopt={"quality": JPEG_QUALITY, "progressive": "n", "optimize": "n"},
        output_file="page",
        paths_only=True,
        use_cropbox=is_cropped,
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
