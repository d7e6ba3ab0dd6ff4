"""One document: PDF + JSON in, page images, labels and drawings out. Runs in a process of the pool and touches no S3.

Whatever is wrong with a document sets aside this document alone.
"""

import logging
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from PIL import Image

from training.annotate import CATEGORIES, label_page
from training.badgerdoc import Page, check_page_numbers, parse_document
from training.coco import LabelledPage, PackedBoxes
from training.draw import draw_labels
from training.errors import WorkerError, one_line
from training.geometry import Box
from training.ink import ink_box, is_blank
from training.quarantine import DocumentError, Reason
from training.render import RenderedPage, check_page_pixels, page_sizes, page_words, render_pages
from training.storage import sha256_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DocumentTask:
    """What to prepare. `folder` is empty and takes `images/<name>_<page>.jpg` and `draw_ann/<page>.jpg`."""

    name: str
    pdf: Path
    json: Path
    folder: Path
    dpi: int

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def drawings(self) -> Path:
        return self.folder / "draw_ann"


@dataclass(frozen=True)
class PreparedPage:
    """A page that lies in the task's folder."""

    labelled: LabelledPage
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class PreparedDocument:
    """A document that went well. Pages are in the order of their numbers."""

    name: str
    pages: tuple[PreparedPage, ...]
    drawings: tuple[str, ...]

    @property
    def classes(self) -> frozenset[str]:
        """Names of the classes that occur in it."""
        return frozenset(CATEGORIES[box.category] for page in self.pages for box in page.labelled.boxes)


@dataclass(frozen=True)
class QuarantinedDocument:
    """A document that was set aside; `reason` is a CamelCase word, `message` one sentence."""

    name: str
    reason: str
    message: str


def prepare_document(task: DocumentTask) -> PreparedDocument | QuarantinedDocument:
    """Renders and labels the pages that are in the JSON; those that only the PDF has were not annotated: left out.

    Never raises for a fault of the document. Raises WorkerError for one of this machine (ConfigError, Transient).
    """
    try:
        return _prepare(task)
    except DocumentError as error:
        return QuarantinedDocument(task.name, error.cause, one_line(str(error)))
    except (WorkerError, MemoryError):
        raise
    except Exception as error:
        logger.exception("%s: unexpected error", task.name)
        message = one_line(f"{type(error).__name__}: {error}; this is a fault of preprocess, please report it.")
        return QuarantinedDocument(task.name, Reason.UNEXPECTED, message)


def _prepare(task: DocumentTask) -> PreparedDocument:
    document = parse_document(task.json.read_bytes())
    sizes = page_sizes(task.pdf)
    check_page_numbers(document, len(sizes))
    pages = {page.page_num: page for page in document.pages}
    numbers = sorted(pages)
    check_page_pixels(sizes, numbers, task.dpi)
    task.images.mkdir(parents=True, exist_ok=True)
    words = page_words(task.pdf, [number for number in numbers if pages[number].tables], dpi=task.dpi)
    prepared = []
    drawings = []
    for rendered in render_pages(task.pdf, numbers, sizes, dpi=task.dpi, folder=task.folder):
        page = pages[rendered.number]
        image = rendered.path.replace(task.images / f"{task.name}_{rendered.number}.jpg")
        labelled = _label(page, rendered, image, words.get(rendered.number, []))
        prepared.append(PreparedPage(labelled, image.stat().st_size, sha256_file(image)))
        if len(labelled.boxes):
            drawings.append(f"{rendered.number}.jpg")
            draw_labels(image, labelled.boxes, task.drawings / drawings[-1])
    return PreparedDocument(task.name, tuple(prepared), tuple(drawings))


def _label(page: Page, rendered: RenderedPage, image: Path, words: list[Box]) -> LabelledPage:
    grey = cache(partial(_grey, image))  # decoded only where the text layer does not answer
    if page.tables and not words and is_blank(grey()):
        raise DocumentError(
            Reason.CORRUPT, f"Page {page.page_num} has tables but was drawn blank; the PDF is damaged, export it again."
        )
    boxes = label_page(page, rendered.width, rendered.height, words, lambda cell: ink_box(grey(), cell))
    return LabelledPage(image.name, rendered.width, rendered.height, PackedBoxes(boxes))


def _grey(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("L")
