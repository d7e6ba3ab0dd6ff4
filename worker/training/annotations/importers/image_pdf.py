"""Makes a PDF of page images, for documents of which nobody has the PDF."""

import warnings
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps
from pypdf import PdfReader, PdfWriter

from training.annotations.importers.formats.imported_page import Size
from training.documents.quarantine import DocumentError, Reason

JPEG_QUALITY = 95


def read_image(path: Path, name: str, stated: Size | None) -> Image.Image:
    """The page image in RGB, turned as its camera or scanner said.

    Raises DocumentError: corrupt if it cannot be read, coordinates if it has not the `stated` size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                picture = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DocumentError(Reason.CORRUPT, f"The image {name} cannot be read ({error}); export it again.") from None
    if stated is not None and stated != picture.size:
        raise DocumentError(
            Reason.COORDINATES,
            f"The image {name} has {picture.width} x {picture.height} pixels, but its annotations are of "
            f"{stated[0]} x {stated[1]}; give the images that were annotated.",
        )
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def write_pdf(path: Path, images: Iterable[Image.Image], *, title: str, dpi: int) -> None:
    """Writes a PDF of one page an image; a page is as large as its image at `dpi`.

    Rendered at the same resolution, each page has as many pixels as its image. At most two images are in
    memory, and the compressed pages. (Pillow alone would keep all images, or read the file again for each page.)
    """
    writer = PdfWriter()
    for image in images:
        page = BytesIO()
        image.save(page, format="PDF", resolution=dpi, quality=JPEG_QUALITY)
        writer.add_page(PdfReader(page).pages[0])
    writer.add_metadata({"/Title": title})  # no dates: the same images give the same PDF
    writer.write(path)
