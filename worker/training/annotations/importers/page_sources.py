"""Where the PDF of an imported document comes from: the PDF itself, or images of its pages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from training.annotations.importers.formats.imported_page import Size
from training.annotations.importers.grouping import ImportedDocument
from training.annotations.importers.image_pdf import read_image, write_pdf
from training.documents.quarantine import DocumentError, Reason
from training.storage.base import Storage
from training.storage.local import local_file


class PageSource(Protocol):
    """Gives documents their PDFs."""

    def write_pdf(self, document: ImportedDocument, path: Path) -> Mapping[int, Size]:
        """Writes the document's PDF to `path`; returns the size in pixels of the image that each page was annotated on.

        Raises DocumentError, and what the storage raises.
        """


@dataclass(frozen=True)
class PageImages:
    """Makes the PDFs of page images, whose resolution is taken to be `dpi`; they are named by their keys."""

    storage: Storage
    dpi: int

    def write_pdf(self, document: ImportedDocument, path: Path) -> Mapping[int, Size]:
        sizes: dict[int, Size] = {}

        def pictures() -> Iterator[Image.Image]:
            for number, page in document.pages.items():
                file = local_file(self.storage, page.image, path.with_name("image"))
                picture = read_image(file, page.image, page.size)
                sizes[number] = picture.size
                yield picture

        write_pdf(path, pictures(), title=document.name, dpi=self.dpi)
        return sizes


@dataclass(frozen=True)
class Pdfs:
    """Takes the PDFs that the images were drawn from; `keys` are their keys by the documents' names."""

    storage: Storage
    keys: Mapping[str, str]

    def write_pdf(self, document: ImportedDocument, path: Path) -> Mapping[int, Size]:
        sizes: dict[int, Size] = {}
        for number, page in document.pages.items():
            if page.size is None:
                raise DocumentError(
                    Reason.COORDINATES,
                    f"The file does not say how many pixels the image {page.image} has, so its boxes have no unit; "
                    "export it with sizes, or give the images in --images.",
                )
            sizes[number] = page.size
        self.storage.download_file(self.keys[document.name], path)
        return sizes
