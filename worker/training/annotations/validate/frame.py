"""Finds the frame of a document's boxes without drawing a page: by the pages' sizes, and if need be by their words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """Finds the frame of one document, whose PDF's pages have these geometries. `on_fault` hears what is wrong."""

    pdf: PdfFile
    geometries: Sequence[PageGeometry]
    options: FrameOptions
    on_fault: Callable[[DocumentError], None]
    _is_wordless: bool = field(default=False, init=False)

    def find(self, pages: Mapping[int, Page]) -> DocumentFrame:
        """The frame of the boxes of `pages`, which the PDF has; if none can be told, one that explains most of them.

        Which pages are looked at is as in preprocess, but that a fault ends nothing.
        """
        options = self.options
        frames = possible_frames(self.geometries, sorted(pages), options.box, options.coordinates)
        search = FrameSearch(frames, self.geometries, dpi=options.dpi, coordinates=options.coordinates)
        with_tables = {number: page for number, page in pages.items() if page.tables}
        for number, page in pages.items():
            if len(search.frames) == 1:
                break
            try:
                search.see(page)
            except DocumentError as error:
                self.on_fault(error)
                with_tables.pop(number, None)
        try:
            return search.choose(self._contents(list(with_tables.values())))
        except DocumentError as error:
            if not self._is_wordless:  # where preprocess looks for ink
                self.on_fault(error)
        return DocumentFrame(search.frames[0], (), tuple(frames), self.geometries, options.dpi, options.coordinates)

    def _contents(self, pages: Sequence[Page]) -> Iterator[tuple[Page, Content]]:
        """A sample of the pages with their words, in pixels of the MediaBox."""
        seen = {page.page_num: page for page in sample(pages)}
        sizes = [geometry.size(PageBox.MEDIA) for geometry in self.geometries]
        words = page_words(self.pdf, sorted(seen), sizes, RenderOptions(self.options.dpi))
        for number, page in seen.items():
            self._is_wordless |= not words[number]
            yield page, without_ink(Words(words[number]))
