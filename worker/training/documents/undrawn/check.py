"""Decides whether a page was drawn as the PDF has it: a network must not learn from, or be shown, what is not there."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from training.documents.ink import needs_ink
from training.documents.page_image import PageImage
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, Reason
from training.documents.render import RenderedPage, RenderOptions
from training.documents.sizes.page_geometry import POINTS_PER_INCH
from training.documents.undrawn.complaints import Effect, first_of
from training.documents.undrawn.embedded_images import EmbeddedImage, is_cut_jpeg, largest, list_images
from training.documents.undrawn.fonts import (
    CidFont,
    glyphs_of,
    list_cid_fonts,
    rare_words,
    words_without_glyphs,
)
from training.documents.undrawn.placeholder import is_placeholder
from training.geometry import Box, Word

MOST = 0.5  # of a page's area, or of the words where something matters
MIN_WORDS = 3  # fewer words without ink may be somebody's hidden notes


class Finding(NamedTuple):
    """Something that is missing on a page, but not so much that its document cannot be used. `kind` is a remark's."""

    kind: str
    message: str


class Surroundings(NamedTuple):
    """The areas of a page that matter, in pixels, and how many pixel rows at their lower end may well be blank.

    `have_labels` says that labels of what should be in the areas are trained on.
    """

    areas: Sequence[Box]
    slack: float
    have_labels: bool = False


class DrawingCheck:
    """Checks the pages of one chunk; lists its images and fonts once, and only if a page gives reason to."""

    def __init__(self, pdf: PdfFile, first: int, last: int, pages_in_all: int, options: RenderOptions) -> None:
        self._pdf = pdf
        self._range = (first, last)
        self._pages_in_all = pages_in_all
        self._options = options

    def findings(
        self,
        page: RenderedPage,
        image: PageImage,
        words: Sequence[Word],
        hidden: Iterable[Word],
        where: Surroundings,
    ) -> list[Finding]:
        """What is missing on a page of the chunk. `words` are all of its text layer, `hidden` those without ink.

        Raises DocumentError (corrupt) if that makes the page useless.
        """
        found = [
            self._placeholder(page, words, where),
            # Before the words without ink: some fonts draw nothing in place of a glyph that they lack.
            self._without_glyphs(page, words, where),
            self._without_ink(page, words, hidden, where),
            self._undecodable(page, image, where),
            self._cut_off(page, image, where),
            self._font_complaint(page),
        ]
        return [finding for finding in found if finding is not None]

    def _placeholder(self, page: RenderedPage, words: Sequence[Word], where: Surroundings) -> Finding | None:
        if not is_placeholder(words):
            return None
        message = (
            f"Page {page.number} only asks for Adobe's own program, which shows the real content (a form in XFA, or a "
            "portfolio); open the PDF there and print it to a PDF."
        )
        if self._pages_in_all == 1 or where.have_labels:
            raise DocumentError(Reason.CORRUPT, message)
        return Finding("placeholder", message)

    def _without_ink(
        self, page: RenderedPage, words: Sequence[Word], hidden: Iterable[Word], where: Surroundings
    ) -> Finding | None:
        lost = _in_areas(hidden, where.areas)
        if not lost:
            return None
        of = len([word for word in _in_areas(words, where.areas) if needs_ink(word.text)])
        message = (
            f"Page {page.number} has {len(lost)} of {of} words of its text layer on blank paper, such as "
            f"{lost[0].text!r}; if the page should show them, it is damaged: scan or export it again."
        )
        if len(lost) >= MIN_WORDS and len(lost) >= MOST * of:
            raise DocumentError(Reason.CORRUPT, message)
        return Finding("words_without_ink", message)

    def _undecodable(self, page: RenderedPage, image: PageImage, where: Surroundings) -> Finding | None:
        complaint = first_of(page.complaints, Effect.WHOLE_IMAGE) or first_of(page.complaints, Effect.PART)
        if complaint is None:
            return None
        message = f"Page {page.number} is not drawn completely ({complaint.text}); scan or export it again."
        tails = [(image.blank_tail(area), area) for area in where.areas]
        is_blank = any(tail >= area.height - 1 for tail, area in tails)
        ends_soon = any(tail > where.slack for tail, _ in tails)
        covers = self._largest_covering(page, complaint.encoding) is not None
        if is_blank or (where.areas and covers and (complaint.effect is Effect.WHOLE_IMAGE or ends_soon)):
            raise DocumentError(Reason.CORRUPT, message)
        return Finding("undecodable_image", message)

    def _cut_off(self, page: RenderedPage, image: PageImage, where: Surroundings) -> Finding | None:
        if not any(image.blank_tail(area) > where.slack for area in where.areas):
            return None
        cover = self._largest_covering(page, "jpeg")
        if cover is None or not is_cut_jpeg(self._pdf, cover, self._images, timeout_s=self._options.timeout_s(1)):
            return None
        message = f"Page {page.number} is a scan whose JPEG is cut off; scan or export it again."
        raise DocumentError(Reason.CORRUPT, message)

    def _without_glyphs(self, page: RenderedPage, words: Sequence[Word], where: Surroundings) -> Finding | None:
        if not rare_words(words):
            return None
        substituted = {font.name: font.file for font in self._fonts if font.file is not None}
        glyphs = [part for file in substituted.values() for part in glyphs_of(file)]
        lost = words_without_glyphs(words, glyphs) if substituted else []
        if not lost:
            return None
        message = (
            f"Page {page.number} has {len(lost)} words, such as {lost[0].text!r}, that are drawn as empty boxes where "
            f"their font is {' or '.join(substituted)}, which neither the PDF nor this machine has: embed it, or "
            "install a font for its language."
        )
        of, gone = len(_in_areas(words, where.areas)), len(_in_areas(lost, where.areas))
        is_certain = all(font.file is not None for font in self._fonts)
        if is_certain and gone >= MIN_WORDS and gone >= MOST * of:
            raise DocumentError(Reason.CORRUPT, message)
        return Finding("missing_glyphs", message)

    def _font_complaint(self, page: RenderedPage) -> Finding | None:
        complaint = first_of(page.complaints, Effect.GLYPHS)
        if complaint is None:
            return None
        message = (
            f"Page {page.number} has text that is drawn wrongly or not at all ({complaint.text}); embed its fonts."
        )
        return Finding("missing_glyphs", message)

    def _largest_covering(self, page: RenderedPage, encoding: str | None) -> EmbeddedImage | None:
        """The largest image of this encoding, if it covers most of the page."""
        image = largest(self._images, page.number, encoding)
        page_pt2 = page.width * page.height * (POINTS_PER_INCH / self._options.dpi) ** 2
        return image if image is not None and image.area_pt2 >= MOST * page_pt2 else None

    @cached_property
    def _images(self) -> list[EmbeddedImage]:
        return list_images(self._pdf, *self._range, timeout_s=self._timeout_s)

    @cached_property
    def _fonts(self) -> list[CidFont]:
        return list_cid_fonts(self._pdf, *self._range, timeout_s=self._timeout_s)

    @property
    def _timeout_s(self) -> float:
        first, last = self._range
        return self._options.timeout_s(last - first + 1)


def _in_areas(words: Iterable[Word], areas: Sequence[Box]) -> list[Word]:
    """The words whose middle is in one of the areas."""
    return [word for word in words if any(area.has_middle_of(word.box) for area in areas)]
