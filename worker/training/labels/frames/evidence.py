"""How the content of pages fits the frames that their boxes may be in. Pure.

The text of the cells tells, if the JSON has it, and otherwise whether words (on a page without words, ink) lie whole in
cells or are cut by their edges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from training.badgerdoc.document import Page
from training.geometry import Box, Words
from training.labels.agreement import agreement
from training.labels.content import own_words
from training.labels.frames.frame import Frame, Placement
from training.labels.labelling import MAX_ON_PAGE

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
        inside = {word for word in self.words.touching(cell) if cell.has_middle_of(word.box)}
        return inside.issubset(own_words(cell, self.words)) if inside else None


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
    texts = {frame: found.texts for frame, found in evidence.items()}
    places = {frame: found.places for frame, found in evidence.items()}
    for fits, least in ((texts, MIN_TEXTS_AGREE), (places, MIN_WHOLE_CELLS)):
        leader = _leader(fits, least)
        if leader is not None:
            return leader != chosen and fits[leader].fitting >= MIN_CELLS_AGAINST
    return False


def _leader(fits: Mapping[Frame, Fit], least: float) -> Frame | None:
    """The frame that fits clearly better than all others, and at least this fraction of its cells."""
    leads = _lead(fits)
    best, *others = sorted(leads, key=lambda frame: -leads[frame])
    is_clear = all(leads[best] - leads[other] >= CLEARLY_BETTER for other in others)
    return best if fits[best].fitting and fits[best].fraction >= least and is_clear else None


def _lead(fits: Mapping[Frame, Fit]) -> dict[Frame, float]:
    most = max(1, *(fit.cells for fit in fits.values()))
    return {frame: (fit.fitting - fit.unfitting) / most for frame, fit in fits.items()}
