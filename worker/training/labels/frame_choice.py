"""Chooses the frame of a document's boxes by its pages: which frames explain them, and which of these fits. Pure.

A frame is a property of the tool that wrote the JSON, so a document has one frame. Where several explain all of its
pages and give different labels, the content of the cells decides: their text, if the JSON has it, and otherwise whether
words (on a page without words, ink) lie whole in cells or are cut by their edges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from training.badgerdoc.document import Page
from training.documents.page_geometry import POINTS_PER_INCH, PageBox, PageGeometry
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Words, union
from training.labels.agreement import agreement
from training.labels.content import own_words
from training.labels.frames import (
    AUTO,
    Coordinates,
    Frame,
    Placement,
    Turn,
    describe,
    is_outside,
    place,
    unexplained,
)
from training.labels.labelling import MAX_ON_PAGE

SAME_PX = 1.0  # frames that move no box by more give the same labels
CLEARLY_BETTER = 0.25  # the best frame's lead, where 1 means that all cells fit and -1 that none does
MIN_TEXTS_AGREE = 0.5  # fraction of the cells: people correct a cell's text where the text layer is wrong
MIN_WHOLE_CELLS = 0.8  # fraction of the cells with content: sloppy boxes cut some words in the right frame, too
MIN_CELLS_AGAINST = 3  # so many cells of one page must fit another frame to contradict the whole document
WholeInk = Callable[[Box], bool | None]


class Fit(NamedTuple):
    """How many cells fit the page in a frame, and how many do not; an empty cell tells nothing."""

    fitting: int = 0
    unfitting: int = 0

    def plus(self, other: "Fit") -> "Fit":
        return Fit(self.fitting + other.fitting, self.unfitting + other.unfitting)

    @property
    def cells(self) -> int:
        return self.fitting + self.unfitting

    @property
    def fraction(self) -> float:
        """The fraction of the cells that fit; 0 if there are none."""
        return self.fitting / max(1, self.cells)


class Evidence(NamedTuple):
    """How the content of pages fits a frame: the `texts` of its cells, and the `places` of words or ink in them."""

    texts: Fit = Fit()
    places: Fit = Fit()

    def plus(self, other: "Evidence") -> "Evidence":
        return Evidence(self.texts.plus(other.texts), self.places.plus(other.places))


@dataclass(frozen=True)
class Content:
    """What is on a page: its words, and a callback for pages without any.

    It says whether the ink in a box lies whole in it: None without ink, False if the box's edges cut it.
    """

    words: Words
    whole_ink: WholeInk

    def evidence(self, page: Page, placement: Placement) -> Evidence:
        """How the cells of `page` (of a table without cells: the table) fit the content if they are placed so."""
        cells = [(cell.text, placement(cell.bbox.box)) for table in page.tables for cell in table.all_cells]
        if max(len(cells), len(self.words)) > MAX_ON_PAGE:
            return Evidence()
        boxes = [box for _, box in cells] or [placement(table.bbox.box) for table in page.tables if table.bbox]
        wholes = [self._is_whole(box) for box in boxes if not box.is_empty]
        found = agreement([(text, box) for text, box in cells if text], self.words)
        return Evidence(
            Fit(found.agreeing, found.compared - found.agreeing), Fit(wholes.count(True), wholes.count(False))
        )

    def _is_whole(self, cell: Box) -> bool | None:
        if not len(self.words):
            return self.whole_ink(cell)
        inside = {word for word in self.words.touching(cell) if _has_middle_in(word.box, cell)}
        return inside.issubset(own_words(cell, self.words)) if inside else None


def _has_middle_in(word: Box, cell: Box) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return cell.left <= x < cell.right and cell.top <= y < cell.bottom


class FrameSearch:
    """The frames that explain all pages seen so far."""

    def __init__(
        self,
        frames: Sequence[Frame],
        geometries: Sequence[PageGeometry],
        *,
        dpi: int,
        coordinates: Coordinates = AUTO,
    ) -> None:
        self.tried = tuple(frames)
        self.frames = list(frames)
        self._geometries = geometries
        self._dpi = dpi
        self._coordinates = coordinates
        self._differing: set[tuple[Frame, Frame]] = set()
        self._inexact: set[Frame] = set()

    def see(self, page: Page) -> None:
        """Drops the frames that do not explain this page. Raises DocumentError (coordinates) if none is left."""
        if not page.boxes:
            return
        stated = page.frame
        if stated is not None:
            # None is left if the user states another box, which comes first.
            same = [frame for frame in self.frames if frame.is_usual and frame.box is stated]
            self.frames = same or self.frames
        around = union(box.box for box in page.boxes)
        placed = {frame: placement for frame in self.frames if (placement := self.placement(page, frame))}
        if not placed:
            raise unexplained(page, self.tried, self._geometries, dpi=self._dpi, coordinates=self._coordinates)
        inside = [frame for frame, placement in placed.items() if not self._is_outside(page, frame, placement(around))]
        # If boxes lie outside the page in every frame, labelling says which one does.
        self.frames = inside or list(placed)
        self._inexact |= {frame for frame in self.frames if not placed[frame].is_exact}
        for pair in combinations(self.frames, 2):
            if pair not in self._differing and _is_moved(around, *(placed[frame] for frame in pair)):
                self._differing.add(pair)

    def placement(self, page: Page, frame: Frame) -> Placement | None:
        """Where the page's boxes lie in the image of its MediaBox."""
        return place(
            page,
            self._geometries,
            frame,
            dpi=self._dpi,
            coordinates=self._coordinates,
            image=PageBox.MEDIA,
        )

    @property
    def distinct(self) -> list[Frame]:
        """One frame of each group whose frames give the same labels on all pages."""
        found: list[Frame] = []
        for frame in self.frames:
            if all((other, frame) in self._differing for other in found):
                found.append(frame)
        return found

    @property
    def exact(self) -> list[Frame]:
        """The distinct frames that differ from the pages' own boxes by rounding only."""
        return [frame for frame in self.distinct if frame not in self._inexact]

    def _is_outside(self, page: Page, frame: Frame, around: Box) -> bool:
        box = self._geometries[page.page_num].box(frame.box)
        pixels = self._dpi / POINTS_PER_INCH
        within = around.shifted(-box.left * pixels, -box.top * pixels)
        return is_outside(within, box.width * pixels, box.height * pixels)


def choose(evidence: Mapping[Frame, Evidence], exact: Sequence[Frame]) -> Frame | None:
    """The frame that the content of some pages confirms, or None; `evidence` has all distinct frames.

    Where the content does not speak against it, the only one of them that is `exact` will do.
    """
    texts = {frame: found.texts for frame, found in evidence.items()}
    places = {frame: found.places for frame, found in evidence.items()}
    leader = _leader(texts, MIN_TEXTS_AGREE) or _leader(places, MIN_WHOLE_CELLS)
    if leader is not None or len(exact) != 1 or not exact[0].is_usual:
        return leader
    is_best = all(_lead(fits)[exact[0]] == max(_lead(fits).values()) for fits in (texts, places))
    return exact[0] if is_best else None


def is_contradicted(chosen: Frame, evidence: Mapping[Frame, Evidence]) -> bool:
    """Whether the content of one page clearly fits another frame than the document's."""
    for fits, least in (
        ({frame: found.texts for frame, found in evidence.items()}, MIN_TEXTS_AGREE),
        ({frame: found.places for frame, found in evidence.items()}, MIN_WHOLE_CELLS),
    ):
        leader = _leader(fits, least)
        if leader is not None:
            return leader != chosen and fits[leader].fitting >= MIN_CELLS_AGAINST
    return False


def undecided(page: Page, frames: Sequence[Frame], geometries: Sequence[PageGeometry]) -> DocumentError:
    """The error for a document whose frame the content cannot tell; `page` is one of its pages."""
    if len({frame.box for frame in frames}) > 1:
        advice = "state it with --frame media or --frame crop"
    elif any(frame.turn is not Turn.AS_DRAWN for frame in frames):
        advice = "turn the page in the PDF itself, and annotate it as it is shown then"
    else:
        advice = "give each page its own size in the JSON"
    return DocumentError(
        Reason.COORDINATES,
        f"What the boxes of page {page.page_num} count from cannot be told: the page's size in the JSON fits it "
        f"{describe(frames, page, geometries)}, and no more than one of these must agree with what is in the cells; "
        f"{advice}.",
    )


def _leader(fits: Mapping[Frame, Fit], least: float) -> Frame | None:
    """The frame that fits clearly better than all others, and at least this fraction of its cells."""
    leads = _lead(fits)
    best, *others = sorted(leads, key=lambda frame: -leads[frame])
    is_clear = all(leads[best] - leads[other] >= CLEARLY_BETTER for other in others)
    return best if fits[best].fitting and fits[best].fraction >= least and is_clear else None


def _lead(fits: Mapping[Frame, Fit]) -> dict[Frame, float]:
    most = max(1, *(fit.cells for fit in fits.values()))
    return {frame: (fit.fitting - fit.unfitting) / most for frame, fit in fits.items()}


def _is_moved(around: Box, one: Placement, other: Placement) -> bool:
    # How far two placements are apart is greatest at a corner of what is placed, since both are affine.
    for x in (around.left, around.right):
        for y in (around.top, around.bottom):
            corner = Box(x, y, x, y)
            if max(abs(a - b) for a, b in zip(one(corner), other(corner), strict=True)) > SAME_PX:
                return True
    return False
