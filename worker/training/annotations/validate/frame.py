"""Finds the frame of a document's boxes without drawing a page: by the pages' sizes, and if need be by their words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from training.badgerdoc.document import Page
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError
from training.documents.render import RenderOptions
from training.documents.sizes.page_geometry import PageBox, PageGeometry
from training.documents.text_layer import page_words
from training.geometry import Words
from training.labels.frames.evidence import Content
from training.labels.frames.frame import AUTO, Coordinates, possible_frames
from training.labels.frames.search import DocumentFrame, FrameSearch, sample


def without_ink(words: Words) -> Content:
    """What is known of a page that is not drawn."""
    return Content(words, lambda _: None)


@dataclass(frozen=True)
class FrameOptions:
    """The options of preprocess that decide the frame: `box` is that of the pages, or None to find it."""

    dpi: int = RenderOptions.dpi
    coordinates: Coordinates = AUTO
    box: PageBox | None = None


@dataclass
class FrameFinder:
    """Finds the frame of one document, whose PDF's pages have these geometries."""

    pdf: PdfFile
    geometries: Sequence[PageGeometry]
    options: FrameOptions
    _is_wordless: bool = field(default=False, init=False)

    def find(self, pages: Mapping[int, Page]) -> DocumentFrame:
        """The frame of the boxes of `pages`, which the PDF has, or where only ink could tell, one that explains them.

        Raises DocumentError (coordinates) if no frame can be told, and those of reading the PDF.
        """
        options = self.options
        frames = possible_frames(self.geometries, sorted(pages), options.box, options.coordinates)
        search = FrameSearch(frames, self.geometries, dpi=options.dpi, coordinates=options.coordinates)
        for page in pages.values():
            with suppress(DocumentError):  # said of each such page when its boxes are placed
                search.see(page)
        try:
            return search.choose(self._contents([page for page in pages.values() if page.tables]))
        except DocumentError:
            if not self._is_wordless:
                raise
            first = search.frames[0]
            return DocumentFrame(first, (), tuple(frames), self.geometries, options.dpi, options.coordinates)

    def _contents(self, pages: Sequence[Page]) -> Iterator[tuple[Page, Content]]:
        """A sample of the pages with their words, in pixels of the MediaBox."""
        seen = {page.page_num: page for page in sample(pages)}
        sizes = [geometry.size(PageBox.MEDIA) for geometry in self.geometries]
        words = page_words(self.pdf, sorted(seen), sizes, RenderOptions(self.options.dpi))
        for number, page in seen.items():
            self._is_wordless |= not words[number]
            yield page, without_ink(Words(words[number]))
