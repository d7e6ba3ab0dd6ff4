"""Finds the frame of a document's boxes, and looks at its pages only if that takes more than their sizes."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.badgerdoc.document import Page
from training.badgerdoc.page_index import PageFile
from training.documents.page_geometry import PageBox, PageGeometry
from training.documents.page_image import PageImage
from training.documents.poppler import PdfFile
from training.documents.render import RenderOptions, check_page_pixels, render_pages
from training.documents.text_layer import page_words
from training.geometry import Words
from training.labels.frame_choice import Content, Evidence, FrameSearch, choose, is_contradicted, undecided
from training.labels.frames import Coordinates, Frame, Placement, place, possible_frames, too_coarse, unexplained

SAMPLE_PAGES = 20  # as many as one call of a poppler program takes; every page is checked when it is labelled
DRAWN_PAGES = 4  # of these, if they have no words: drawing takes much longer than reading words


@dataclass(frozen=True)
class DocumentFrame:
    """The frame of a document's boxes, of those that were `tried`.

    `rivals` are other frames that explain its pages, but whose labels differ.
    """

    frame: Frame
    rivals: tuple[Frame, ...]
    tried: tuple[Frame, ...]
    geometries: Sequence[PageGeometry]
    dpi: int
    coordinates: Coordinates

    def placement(self, page: Page, content: Content) -> Placement:
        """Brings the boxes of `page` to its image, whose content is given.

        Raises DocumentError (coordinates) if the frame does not explain the page, or its content contradicts the frame.
        """
        found = self._placed(page, self.frame)
        if found is None:
            raise unexplained(page, self.tried, self.geometries, dpi=self.dpi, coordinates=self.coordinates)
        if found.is_coarse:
            raise too_coarse(page, self.frame, self.geometries)
        if self.rivals:
            frames = (self.frame, *self.rivals)
            placed = {frame: placement for frame in frames if (placement := self._placed(page, frame))}
            evidence = {frame: content.evidence(page, placement) for frame, placement in placed.items()}
            if is_contradicted(self.frame, evidence):
                raise undecided(page, frames, self.geometries)
        return found

    def _placed(self, page: Page, frame: Frame) -> Placement | None:
        return place(page, self.geometries, frame, dpi=self.dpi, coordinates=self.coordinates, image=self.frame.box)


@dataclass(frozen=True)
class Sheets:
    """The PDF of a document and the boxes of all its pages, how pages are drawn, and a folder to draw some in."""

    pdf: PdfFile
    geometries: Sequence[PageGeometry]
    options: RenderOptions
    folder: Path


def find_frame(pages: PageFile, sheets: Sheets, *, box: PageBox | None, coordinates: Coordinates) -> DocumentFrame:
    """The frame of the boxes of `pages`; `box` is stated, or None.

    Raises DocumentError (coordinates, and those of reading and drawing pages).
    """
    geometries, dpi = sheets.geometries, sheets.options.dpi
    frames = possible_frames(geometries, pages.numbers, box, coordinates)
    search = FrameSearch(frames, geometries, dpi=dpi, coordinates=coordinates)
    if len(frames) > 1:
        for page in pages.each():
            search.see(page)
            if len(search.frames) == 1:
                break
    distinct = search.distinct
    is_told = len(distinct) == 1 and distinct[0].is_usual
    chosen = distinct[0] if is_told else _chosen(search, pages, sheets)
    rivals = tuple(frame for frame in distinct if frame != chosen)
    return DocumentFrame(chosen, rivals, search.tried, geometries, dpi, coordinates)


def _chosen(search: FrameSearch, pages: PageFile, sheets: Sheets) -> Frame:
    """The frame that the content of a sample of the pages confirms."""
    with_tables = [page.page_num for page in pages.each() if page.tables]
    step = -(-len(with_tables) // SAMPLE_PAGES)
    sample = pages.read(with_tables[::step])
    evidence = dict.fromkeys(search.distinct, Evidence())
    for page, content in _contents(sample, sheets):
        for frame, before in evidence.items():
            placement = search.placement(page, frame)
            if placement is not None:
                evidence[frame] = before.plus(content.evidence(page, placement))
    chosen = choose(evidence, search.exact)
    if chosen is None:
        raise undecided(sample[with_tables[0]], search.distinct, sheets.geometries)
    return chosen


def _contents(pages: Mapping[int, Page], sheets: Sheets) -> Iterator[tuple[Page, Content]]:
    """The pages whose content is looked at, with it, in pixels of the MediaBox."""
    sizes = [geometry.size(PageBox.MEDIA) for geometry in sheets.geometries]
    words = page_words(sheets.pdf, list(pages), sizes, sheets.options)
    for number, page in pages.items():
        if words[number]:
            yield page, Content(Words(words[number]), lambda _: None)
    drawn = [number for number in pages if not words[number]][:DRAWN_PAGES]
    check_page_pixels(sizes, drawn, sheets.options)
    with tempfile.TemporaryDirectory(dir=sheets.folder) as drawings:
        for rendered in render_pages(sheets.pdf, drawn, sizes, sheets.options, folder=Path(drawings)):
            yield pages[rendered.number], Content(Words([]), PageImage(rendered.path).is_ink_whole)
