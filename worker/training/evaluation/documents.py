"""Compares, document by document, the tables that `training.infer` would write with the true ones, by GriTS. Pure.

The grid of the detections is that of `training.tables`, as in `training.infer`. A dataset holds boxes but neither rows
and columns nor texts, so the true grid is made from the labels by the same code, and GriTS-Con, which compares texts,
cannot be measured.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.dataset.layout import document_of
from training.evaluation.grits import Grid, compare
from training.evaluation.pages import SCORE, Detections, EvaluatedSplit, PageTruth
from training.geometry import Box
from training.labels.categories import CATEGORIES, CELL, TABLE
from training.model.detections import WORKING_SCORE, Detection
from training.model.matching import ious
from training.tables.assembly import assemble_tables
from training.tables.structure import find_structure

# A page of 300 cells takes a third of a second, so that a split takes half a minute at most.
MAX_BOXES = 20_000
MAX_BOXES_ON_PAGE = 1_000
MAX_PAIRS = 2_000_000  # of a place of one table with a place of another: 0.5 s, 200 MiB


@dataclass(frozen=True, kw_only=True)
class DocumentScore:
    """How well the tables of a document were found, 0 to 1 each; `tables` counts the labelled ones."""

    name: str
    grits_top: float
    grits_loc: float
    tables: int


@dataclass(frozen=True, kw_only=True)
class DocumentScores:
    """The scores of a split's documents, the worst first, and how many documents were left out, being too many or too
    large. A document without a cell in a table, labelled or found, has no score.
    """

    scores: Sequence[DocumentScore]
    left_out: int = 0

    def metrics(self) -> dict[str, float]:
        """`grits_top` and `grits_loc`: the means over the documents; empty if there are none."""
        if not self.scores:
            return {}
        return {
            "grits_top": float(np.mean([score.grits_top for score in self.scores])),
            "grits_loc": float(np.mean([score.grits_loc for score in self.scores])),
        }


def score_documents(split: EvaluatedSplit) -> DocumentScores:
    """Scores the split's documents, as many as MAX_BOXES allows, chosen by their names' hashes. The result is empty if
    the split has no class of tables or of cells.
    """
    if not {CATEGORIES[TABLE], CATEGORIES[CELL]} <= set(split.classes):
        return DocumentScores(scores=())
    documents: dict[str, list[int]] = defaultdict(list)
    for image, page in split.pages.items():
        documents[document_of(page.file_name)].append(image)
    chosen = _choose(documents, split)
    scores: list[DocumentScore] = []
    left_out = len(documents) - len(chosen)
    for name in chosen:
        sums = [_compare_page(split.pages[image], split.detected(image), split.classes) for image in documents[name]]
        measured = [found for found in sums if found is not None]
        if len(measured) < len(sums):
            left_out += 1
            continue
        top, loc, places, tables = (sum(values) for values in zip(*measured, strict=True))
        if places:
            scores.append(
                DocumentScore(name=name, grits_top=2 * top / places, grits_loc=2 * loc / places, tables=int(tables))
            )
    return DocumentScores(
        scores=sorted(scores, key=lambda score: (score.grits_top, score.grits_loc, score.name)), left_out=left_out
    )


class _Sums(NamedTuple):
    """Sums over a page's tables: the similarity of those that correspond, and the places of all, labelled and found."""

    top: float
    loc: float
    places: int
    tables: int  # labelled


def _choose(documents: Mapping[str, Sequence[int]], split: EvaluatedSplit) -> list[str]:
    chosen: list[str] = []
    boxes = 0
    for name in sorted(documents, key=lambda name: hashlib.sha256(name.encode(errors="surrogatepass")).digest()):
        sizes = [len(split.pages[image].classes) for image in documents[name]]
        if max(sizes) <= MAX_BOXES_ON_PAGE and boxes + sum(sizes) <= MAX_BOXES:
            boxes += sum(sizes)
            chosen.append(name)
    return chosen


def _compare_page(page: PageTruth, detections: Detections, classes: Sequence[str]) -> _Sums | None:
    """None if the page's tables are too large to be compared."""
    labelled = _tables(page, _as_detections(page), classes)
    rows = detections[detections[:, SCORE] >= WORKING_SCORE]
    found = _tables(page, rows[np.argsort(-rows[:, SCORE], kind="stable")][:MAX_BOXES_ON_PAGE], classes)
    top = loc = 0.0
    for one, other in _corresponding([box for box, _ in labelled], [box for box, _ in found]):
        true_grid, found_grid = labelled[one][1], found[other][1]
        if true_grid.places * found_grid.places > MAX_PAIRS:
            return None
        similarity = compare(true_grid, found_grid)
        top += similarity.top
        loc += similarity.loc
    return _Sums(top, loc, sum(grid.places for _, grid in [*labelled, *found]), len(labelled))


def _as_detections(page: PageTruth) -> Detections:
    left, top, width, height = page.boxes.T
    return np.stack([left, top, left + width, top + height, np.ones(len(left)), page.classes], axis=1).astype(
        np.float32
    )


def _tables(page: PageTruth, detections: Detections, classes: Sequence[str]) -> list[tuple[Box, Grid]]:
    """The page's tables, each with its grid, as `training.infer` makes them from detections."""
    numbers = {name: number for number, name in CATEGORIES.items()}
    known = [
        Detection(numbers[classes[int(of_class)]], score, Box(*box))
        for *box, score, of_class in detections.tolist()
        if classes[int(of_class)] in numbers
    ]
    return [
        (table.box, Grid.of(find_structure(table.cells, table.headers)))
        for table in assemble_tables(page.width, page.height, known)
    ]


def _corresponding(labelled: Sequence[Box], found: Sequence[Box]) -> Iterable[tuple[int, int]]:
    """Pairs of a labelled and a found table, those that overlap most first, each table in at most one pair."""
    if not labelled or not found:
        return
    overlaps = ious(np.array(labelled, dtype=np.float64), np.array(found, dtype=np.float64))
    while overlaps.max() > 0:
        one, other = np.unravel_index(overlaps.argmax(), overlaps.shape)
        yield int(one), int(other)
        overlaps[one, :] = overlaps[:, other] = 0
