"""Renders PDF pages as images with poppler: number and sizes of the pages, chunks, drawing.

Words come from `pdftotext -bbox`, images from pdf2image (`pdftoppm`). Both are poppler and use the same page box (the
MediaBox after rotation), so a word's coordinates times dpi / 72 are its pixels. Another text library would disagree on
pages that are rotated, cropped or have an origin other than (0, 0).
"""

import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pdf2image.exceptions import PDFPopplerTimeoutError
from PIL import Image

from training.documents.page_shape import check_page_shape
from training.documents.poppler import PROGRAM_TIMEOUT_S, PdfFile, run_poppler
from training.documents.quarantine import DocumentError, Reason
from training.documents.rasterize import DrawnFile, draw_to_files
from training.documents.undrawn.complaints import Complaint
from training.errors import ConfigError

POINTS_PER_INCH = 72
PAGES_PER_CHUNK = 20  # one process per page costs 1.8 times the CPU time; more than 20 gain nothing
MAX_PAGES = 20_000
FURTHER_PAGE_TIMEOUT_S = 2  # added to page_timeout_s for each page that one call draws
IMAGE_FORMATS = ("jpeg", "png")
MIN_DPI, MAX_DPI = 36, 600
_PAGES = re.compile(rb"^Pages: +(\d+)", re.MULTILINE)
_SIZE = re.compile(rb"^Page +(\d+) MediaBox: +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)", re.MULTILINE)
_ROTATION = re.compile(rb"^Page +(\d+) rot: +(-?\d+)", re.MULTILINE)


@dataclass(frozen=True)
class RenderOptions:
    """How pages are drawn. `page_timeout_s` is how many seconds of CPU time one slow page may take.

    Raises ConfigError for a resolution below MIN_DPI or above MAX_DPI.
    """

    dpi: int = 120
    image_format: str = "jpeg"  # one of IMAGE_FORMATS
    page_timeout_s: float = 60

    def __post_init__(self) -> None:
        if not MIN_DPI <= self.dpi <= MAX_DPI:
            raise ConfigError(f"--dpi is {self.dpi}; choose {MIN_DPI} to {MAX_DPI}.")

    def timeout_s(self, pages: int) -> float:
        """The timeout in seconds of CPU time of one call that draws this many pages."""
        return self.page_timeout_s + FURTHER_PAGE_TIMEOUT_S * pages


@dataclass(frozen=True)
class PageSize:
    """The size of the rendered page in points: the MediaBox after rotation."""

    width_pt: float
    height_pt: float

    def pixels(self, dpi: int) -> tuple[int, int]:
        """Width and height of the image, as pdftoppm rounds them."""
        return math.ceil(self.width_pt * dpi / POINTS_PER_INCH), math.ceil(self.height_pt * dpi / POINTS_PER_INCH)


@dataclass(frozen=True)
class RenderedPage:
    """The image file of one page; `number` counts from 0, `width` and `height` are in pixels.

    `complaints` are the renderer's: what it could not draw.
    """

    number: int
    path: Path
    width: int
    height: int
    complaints: tuple[Complaint, ...] = ()


def page_sizes(pdf: PdfFile) -> list[PageSize]:
    """The size of every page, without drawing any. Raises DocumentError (encrypted, corrupt, too_large, timeout)."""
    # `-box`, since pdfinfo's default page size is the CropBox, while pdftoppm draws the MediaBox.
    command = ["pdfinfo", "-box", "-f", "1", "-l", str(MAX_PAGES), str(pdf.path)]
    answer = run_poppler(command, pdf, timeout_s=PROGRAM_TIMEOUT_S)
    count = _PAGES.search(answer)
    if count is not None and int(count[1]) > MAX_PAGES:
        raise DocumentError(Reason.TOO_LARGE, f"The PDF has {int(count[1])} pages, more than {MAX_PAGES:,}; split it.")
    rotations = {int(page): int(angle) for page, angle in _ROTATION.findall(answer)}
    sizes: dict[int, PageSize] = {}
    for page, *edges in _SIZE.findall(answer):
        left, bottom, right, top = (float(edge) for edge in edges)
        width, height = abs(right - left), abs(top - bottom)
        turned = rotations.get(int(page), 0) % 180 == 90
        sizes[int(page)] = PageSize(height, width) if turned else PageSize(width, height)
    if not sizes or sorted(sizes) != list(range(1, len(sizes) + 1)):
        raise DocumentError(Reason.CORRUPT, "The PDF has no readable pages; export it again.")
    return [sizes[page] for page in sorted(sizes)]


def check_page_pixels(sizes: Sequence[PageSize], numbers: Sequence[int], options: RenderOptions) -> None:
    """Raises DocumentError (too_large, shape) for pages that cannot be drawn or learnt from, before any is drawn."""
    for number in numbers:
        width, height = sizes[number].pixels(options.dpi)
        check_page_shape(number, width, height, dpi=options.dpi, image_format=options.image_format)


def render_pages(
    pdf: PdfFile, numbers: Sequence[int], sizes: Sequence[PageSize], options: RenderOptions, *, folder: Path
) -> Iterator[RenderedPage]:
    """Draws the pages as image files in `folder`, in order. `numbers` count from 0 and are sorted.

    Raises DocumentError (corrupt, too_large, timeout). The renderer reports no error when it dies (pages are missing)
    or cannot draw a page (its image is 1 x 1 pixels), so both are checked.
    """
    for first, last in page_chunks(numbers):
        files = _render_chunk(pdf, first, last, options, folder)
        if len(files) != last - first + 1:
            raise _why_not_drawn(pdf, first + len(files), options)
        for number, (path, complaints) in zip(range(first, last + 1), files, strict=True):
            with Image.open(path) as image:
                width, height = image.size
            expected_width, expected_height = sizes[number].pixels(options.dpi)
            # pdfinfo rounds to hundredths of a point, so the size may be off by one pixel.
            if abs(width - expected_width) > 1 or abs(height - expected_height) > 1:
                raise DocumentError(
                    Reason.CORRUPT,
                    f"Page {number} was drawn {width} x {height} pixels large instead of "
                    f"{expected_width} x {expected_height}; export the PDF again.",
                )
            yield RenderedPage(number, path, width, height, complaints)


def page_chunks(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last page of each chunk: at most PAGES_PER_CHUNK consecutive `numbers`, so gaps are not drawn."""
    if not numbers:
        return
    first = numbers[0]
    for number, following in pairwise(numbers):
        if following != number + 1 or following - first >= PAGES_PER_CHUNK:
            yield first, number
            first = following
    yield first, numbers[-1]


def _render_chunk(pdf: PdfFile, first: int, last: int, options: RenderOptions, folder: Path) -> list[DrawnFile]:
    timeout_s = options.timeout_s(last - first + 1)
    try:
        return draw_to_files(
            pdf, first, last, dpi=options.dpi, fmt=options.image_format, folder=folder, timeout_s=timeout_s
        )
    except PDFPopplerTimeoutError:
        raise DocumentError(
            Reason.TIMEOUT,
            f"Pages {first} to {last} were not drawn in {timeout_s:g} s of CPU time; simplify the PDF or raise "
            "--page_timeout.",
        ) from None


def _why_not_drawn(pdf: PdfFile, page: int, options: RenderOptions) -> DocumentError:
    """Draws the first missing page again to get pdftoppm's error message, which pdf2image does not pass on."""
    number = str(page + 1)
    with tempfile.TemporaryDirectory() as folder:
        command = ["pdftoppm", "-r", str(options.dpi), "-f", number, "-l", number, "-gray", str(pdf.path)]
        try:
            run_poppler([*command, f"{folder}/page"], pdf, timeout_s=options.timeout_s(1))
        except DocumentError as error:
            return error
    return DocumentError(Reason.CORRUPT, f"Page {page} could not be drawn; export the PDF again.")
