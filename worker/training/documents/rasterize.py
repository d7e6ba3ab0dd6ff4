"""Draws PDF pages with pdf2image, patched to start one process per call instead of three, to hear its complaints and to
count its timeout in CPU time.

Before it draws, pdf2image asks pdfinfo for the number of pages and pdftoppm for its version. Here the number is known
and checked afterwards, and the version does not change while a program runs: skipping both saves a quarter of the time
on a PDF of two pages. pdf2image also keeps pdftoppm's error output in memory (gigabytes for a hostile PDF) and never
reads it. Here it is read while it comes, and little of it is kept.
"""

import math
import tempfile
import threading
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pdf2image.pdf2image

from training.documents.poppler import PdfFile, Program
from training.documents.undrawn.complaints import Complaint, ComplaintReader

JPEG_QUALITY = 95
_BLOCK_BYTES = 1 << 16


class DrawnFile(NamedTuple):
    """The image file of one page, and what the renderer said while it drew it."""

    path: Path
    complaints: tuple[Complaint, ...] = ()


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
) -> list[DrawnFile]:
    """Draws the pages `first` to `last` (from 0; the PDF must have them) at `dpi`; returns their files in order.

    It draws their MediaBox, or their CropBox with `is_cropped`. If the renderer dies, it raises nothing and
    returns fewer files. Raises pdf2image's PDFPopplerTimeoutError after `timeout_s` seconds of CPU time.
    """
    reader = ComplaintReader()
    _reader.set(reader)
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
    files = [Path(str(path)) for path in paths]
    return [DrawnFile(*pair) for pair in zip(files, reader.of_pages(len(files)), strict=True)]


_reader: ContextVar[ComplaintReader] = ContextVar("_reader")  # of the call under way


class _Renderer(Program):
    """pdftoppm as pdf2image starts it, except that a thread reads its error output; other programs as they are."""

    def __init__(self, command: list[str], **options: Any) -> None:
        draws = command[0] == "pdftoppm" and "-v" not in command
        super().__init__([command[0], "-progress", *command[1:]] if draws else command, **options)
        self._hearing: threading.Thread | None = None
        if draws:
            self._hearing = threading.Thread(target=_hear, args=(self.stderr, _reader.get()), daemon=True)
            self.stderr = None
            self._hearing.start()

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        """What pdf2image expects of a program: its output and, as it would find it with `-q`, an empty error output."""
        output, errors = super().communicate(input, timeout)
        if self._hearing is not None:
            self._hearing.join()
        return output, errors or b""


def _hear(stream: BinaryIO, reader: ComplaintReader) -> None:
    with stream:
        while block := stream.read(_BLOCK_BYTES):
            reader.feed(block)


def _no_page_count(*_: object, **__: object) -> dict[str, float]:
    return {"Pages": math.inf}


pdf2image.pdf2image.Popen = _Renderer  # type: ignore[assignment, attr-defined]
pdf2image.pdf2image.pdfinfo_from_path = _no_page_count
pdf2image.pdf2image._get_poppler_version = cache(pdf2image.pdf2image._get_poppler_version)
