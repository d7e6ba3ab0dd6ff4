"""Renders PDF pages as images with poppler: number and sizes of the pages, chunks, drawing.

Words come from `pdftotext -bbox`, images from pdf2image (`pdftoppm`). Both are poppler and use the same page box (the
MediaBox after rotation, or with `-cropbox` the CropBox), so a word's coordinates times dpi x UserUnit / 72 are its
pixels. Another text library would disagree on pages that are rotated, cropped or have an origin other than (0, 0).
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from pdf2image.exceptions import PDFPopplerTimeoutError
from PIL import Image

from training.documents.poppler import PROGRAM_TIMEOUT_S, PdfFile, run_poppler
from training.documents.quarantine import DocumentError, Reason
from training.documents.rasterize import DrawnFile, draw_to_files
from training.documents.sizes.page_geometry import POINTS_PER_INCH, PageBox, PageGeometry, PageSize
from training.documents.sizes.page_shape import check_page_shape
from training.documents.sizes.user_units import user_units
from training.documents.undrawn.complaints import Complaint
from training.errors import ConfigError
from training.geometry import Box

PAGES_PER_CHUNK = 20  # one process per page costs 1.8 times the CPU time; more than 20 gain nothing
MAX_PAGES = 20_000
FURTHER_PAGE_TIMEOUT_S = 2  # added to page_timeout_s for each page that one call draws
IMAGE_FORMATS = ("jpeg", "png")
MIN_DPI, MAX_DPI = 36, 600
_PAGES = re.compile(rb"^Pages: +(\d+)", re.MULTILINE)
_EDGES = rb" +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+)"
_MEDIA_BOX = re.compile(rb"^Page +(\d+) MediaBox:" + _EDGES, re.MULTILINE)
_CROP_BOX = re.compile(rb"^Page +(\d+) CropBox:" + _EDGES, re.MULTILINE)
_ROTATION = re.compile(rb"^Page +(\d+) rot: +(-?\d+)", re.MULTILINE)
PDFINFO_ROUNDING = 0.01  # units of a page: pdfinfo prints edges to hundredths


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
class RenderedPage:
    """The image file of one page; `number` counts from 0, `width` and `height` are in pixels.

    `complaints` are the renderer's: what it could not draw.
    """

    number: int
    path: Path
    width: int
    height: int
    complaints: tuple[Complaint, ...] = ()


def page_geometries(pdf: PdfFile) -> list[PageGeometry]:
    """The boxes of every page, without drawing any. Raises DocumentError (encrypted, corrupt, too_large, timeout)."""
    command = ["pdfinfo", "-box", "-f", "1", "-l", str(MAX_PAGES), str(pdf.path)]
    answer = run_poppler(command, pdf, timeout_s=PROGRAM_TIMEOUT_S)
    count = _PAGES.search(answer)
    if count is not None and int(count[1]) > MAX_PAGES:
        raise DocumentError(Reason.TOO_LARGE, f"The PDF has {int(count[1])} pages, more than {MAX_PAGES:,}; split it.")
    rotations = {int(page): int(angle) for page, angle in _ROTATION.findall(answer)}
    media, crops = _page_boxes(_MEDIA_BOX, answer), _page_boxes(_CROP_BOX, answer)
    if not media or sorted(media) != list(range(1, len(media) + 1)):
        raise DocumentError(Reason.CORRUPT, "The PDF has no readable pages; export it again.")
    units = user_units(pdf, len(media))
    return [
        PageGeometry.of_pdf(
            media[page],
            crops.get(page, media[page]),
            rotation=rotations.get(page, 0),
            user_unit=units.get(page - 1, 1.0),
        )
        for page in sorted(media)
    ]


def page_sizes(pdf: PdfFile) -> list[PageSize]:
    """The size of every page's MediaBox. Raises DocumentError (encrypted, corrupt, too_large, timeout)."""
    return [geometry.size(PageBox.MEDIA) for geometry in page_geometries(pdf)]


def _page_boxes(pattern: "re.Pattern[bytes]", answer: bytes) -> dict[int, Box]:
    """Each page's box in what pdfinfo prints, by the page's number from 1; y counts up."""
    boxes = {}
    for page, *edges in pattern.findall(answer):
        left, bottom, right, top = (float(edge) for edge in edges)
        boxes[int(page)] = Box(min(left, right), min(bottom, top), max(left, right), max(bottom, top))
    return boxes


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
    for first, last in drawn_runs(numbers, sizes):
        files = _render_run(pdf, first, last, sizes[first], options=options, folder=folder)
        if len(files) != last - first + 1:
            failed = first + len(files)
            raise _why_not_drawn(pdf, failed, sizes[failed], options)
        for number, (path, complaints) in zip(range(first, last + 1), files, strict=True):
            with Image.open(path) as image:
                width, height = image.size
            expected_width, expected_height = sizes[number].pixels(options.dpi)
            rounding = 1 + PDFINFO_ROUNDING * sizes[number].user_unit * options.dpi / POINTS_PER_INCH
            if abs(width - expected_width) > rounding or abs(height - expected_height) > rounding:
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


def drawn_runs(numbers: Sequence[int], sizes: Sequence[PageSize]) -> Iterator[tuple[int, int]]:
    """First and last page of each run of pages that one call of poppler's programs can take.

    They take one resolution and one kind of box a call, so it is a chunk, or a part of one if its pages differ in that.
    """
    for first, last in page_chunks(numbers):
        for _, run in groupby(range(first, last + 1), key=lambda page: (sizes[page].user_unit, sizes[page].is_cropped)):
            pages = list(run)
            yield pages[0], pages[-1]


def box_options(size: PageSize) -> list[str]:
    """The options of a poppler program that make it take the box of the page that `size` is of."""
    return ["-cropbox"] if size.is_cropped else []


def _render_run(
    pdf: PdfFile, first: int, last: int, size: PageSize, *, options: RenderOptions, folder: Path
) -> list[DrawnFile]:
    timeout_s = options.timeout_s(last - first + 1)
    try:
        return draw_to_files(
            pdf,
            first,
            last,
            dpi=options.dpi * size.user_unit,
            fmt=options.image_format,
            folder=folder,
            timeout_s=timeout_s,
            is_cropped=size.is_cropped,
        )
    except PDFPopplerTimeoutError:
        raise DocumentError(
            Reason.TIMEOUT,
            f"Pages {first} to {last} were not drawn in {timeout_s:g} s of CPU time; simplify the PDF or raise "
            "--page_timeout.",
        ) from None


def _why_not_drawn(pdf: PdfFile, page: int, size: PageSize, options: RenderOptions) -> DocumentError:
    """Draws the first missing page again to get pdftoppm's error message, which pdf2image does not pass on."""
    number = str(page + 1)
    with tempfile.TemporaryDirectory() as folder:
        resolution = str(options.dpi * size.user_unit)
        command = ["pdftoppm", "-r", resolution, *box_options(size), "-f", number, "-l", number, "-gray", str(pdf.path)]
        try:
            run_poppler([*command, f"{folder}/page"], pdf, timeout_s=options.timeout_s(1))
        except DocumentError as error:
            return error
    return DocumentError(Reason.CORRUPT, f"Page {page} could not be drawn; export the PDF again.")
