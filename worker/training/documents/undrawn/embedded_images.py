"""The images that a page holds, by poppler's pdfimages: how much of the page the largest covers, whether it is cut off.

A JPEG that is cut off is drawn without a complaint: white, or one colour, where its data end.
"""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from training.documents.poppler import PdfFile, run_poppler
from training.documents.quarantine import DocumentError
from training.documents.sizes.page_geometry import POINTS_PER_INCH

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
_LOOK_AHEAD_BYTES = 16  # what libjpeg reads beyond the last pixel's bits


class EmbeddedImage(NamedTuple):
    """An image on the page `page` (from 0), as large as it is drawn; `encoding` as pdfimages calls it (jpeg, jpx, …).

    `number` counts the images from 0, over all pages that were listed.
    """

    page: int
    number: int
    encoding: str
    width_pt: float
    height_pt: float

    @property
    def area_pt2(self) -> float:
        return self.width_pt * self.height_pt


def list_images(pdf: PdfFile, first: int, last: int, *, timeout_s: float) -> list[EmbeddedImage]:
    """The images of the pages `first` to `last` (from 0), or none if they cannot be listed."""
    command = ["pdfimages", "-list", "-f", str(first + 1), "-l", str(last + 1), str(pdf.path)]
    try:
        answer = run_poppler(command, pdf, timeout_s=timeout_s)
    except DocumentError:
        return []
    return parse_list(answer.decode("utf-8", errors="replace"))


def parse_list(listing: str) -> list[EmbeddedImage]:
    """Reads the table that `pdfimages -list` prints; lines that are not as expected are left out."""
    images = []
    for line in listing.splitlines()[2:]:
        fields = line.split()
        try:
            page, number, width, height = (int(fields[index]) for index in (0, 1, 3, 4))
            encoding = fields[8]
            across, down = float(fields[-4]), float(fields[-3])  # pixels per inch
        except (IndexError, ValueError):
            continue
        if across > 0 and down > 0:
            size = (width / across * POINTS_PER_INCH, height / down * POINTS_PER_INCH)
            images.append(EmbeddedImage(page - 1, number, encoding, *size))
    return images


def largest(images: Sequence[EmbeddedImage], page: int, encoding: str | None) -> EmbeddedImage | None:
    """The image of the page that is drawn largest, of those with this encoding, or of all."""
    of_page = (image for image in images if image.page == page and encoding in (None, image.encoding))
    return max(of_page, key=lambda image: image.area_pt2, default=None)


def is_cut_jpeg(pdf: PdfFile, image: EmbeddedImage, images: Sequence[EmbeddedImage], *, timeout_s: float) -> bool:
    """Whether the data of a JPEG, one of the listed `images`, end too soon; False if it cannot be taken out."""
    before = sum(other.page == image.page and other.number < image.number for other in images)
    page = str(image.page + 1)
    with tempfile.TemporaryDirectory() as folder:
        command = ["pdfimages", "-all", "-f", page, "-l", page, str(pdf.path), f"{folder}/image"]
        try:
            run_poppler(command, pdf, timeout_s=timeout_s)
            return is_cut(Path(folder, f"image-{before:03d}.jpg").read_bytes())
        except (DocumentError, FileNotFoundError):
            return False


def is_cut(jpeg: bytes) -> bool:
    """Whether the data of a JPEG file end before its image does.

    The end marker cannot occur in a scan's own data, whose bytes FF are escaped (ITU-T T.81, B.1.1.5). Where it is
    absent, some writers have left it out, so the decoder has the last word: a few bytes more are all that it may lack.
    """
    if jpeg.rfind(_END_OF_IMAGE) > jpeg.rfind(_START_OF_SCAN):
        return False
    try:
        with Image.open(io.BytesIO(jpeg + bytes(_LOOK_AHEAD_BYTES))) as image:
            image.draft("L", (1, 1))
            image.load()
    except (OSError, SyntaxError, ValueError):
        return True
    return False
