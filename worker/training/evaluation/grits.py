"""GriTS: how similar two grids are, 0 to 1, by their spans (GriTS-Top) and by their cells' boxes (GriTS-Loc). Pure.

Smock, Pesala, Abraham: "GriTS: Grid Table Similarity Metric for Table Structure Recognition", arXiv:2203.12555. The
similarity of two grids is that of their most similar substructures: the rows and columns of one, in order, that fit
rows and columns of the other best. Finding these exactly is NP-hard; as in the paper, rows and columns are aligned
separately (`_most_similar`).

A place of a grid that no cell covers counts as an empty cell of one row and one column. Two empty places are alike, an
empty place and a cell are not, where boxes are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.model.matching import ious
from training.tables.structure import GridCell

_Array = NDArray[np.float64]


class Similarity(NamedTuple):
    """The similarity of two grids: the sum over the places of their most similar substructures, 1 for equal places."""

    top: float
    loc: float


@dataclass(frozen=True, eq=False)
class Grid:
    """The places of a table, row by row. `spans` are the edges of a place's cell, counted in rows and columns from the
    place; `boxes` those of the cell's box in pixels; both are left, top, right, bottom.
    """

    spans: _Array  # (rows, columns, 4)
    boxes: _Array  # (rows, columns, 4)
    is_empty: NDArray[np.bool_]  # (rows, columns)

    @classmethod
    def of(cls, cells: Sequence[GridCell]) -> "Grid":
        """The grid of a table's cells, no two of which share a place."""
        rows = max((cell.row + cell.rowspan for cell in cells), default=0)
        columns = max((cell.column + cell.colspan for cell in cells), default=0)
        spans = np.tile(np.array([0.0, 0.0, 1.0, 1.0]), (rows, columns, 1))
        boxes = np.zeros((rows, columns, 4))
        is_empty = np.ones((rows, columns), dtype=np.bool_)
        for cell in cells:
            for row in range(cell.row, cell.row + cell.rowspan):
                for column in range(cell.column, cell.column + cell.colspan):
                    left, top = cell.column - column, cell.row - row
                    spans[row, column] = left, top, left + cell.colspan, top + cell.rowspan
                    boxes[row, column] = cell.box
                    is_empty[row, column] = False
        return cls(spans, boxes, is_empty)

    @property
    def places(self) -> int:
        return self.is_empty.size


def compare(one: Grid, other: Grid) -> Similarity:
    """The similarity of two grids. Time and memory grow with the product of their numbers of places."""
    if not one.places or not other.places:
        return Similarity(0.0, 0.0)
    both_empty = one.is_empty.reshape(-1, 1) & other.is_empty.reshape(1, -1)
    shape = (*one.is_empty.shape, *other.is_empty.shape)
    spans = ious(one.spans.reshape(-1, 4), other.spans.reshape(-1, 4))
    boxes = np.where(both_empty, 1.0, ious(one.boxes.reshape(-1, 4), other.boxes.reshape(-1, 4)))
    return Similarity(_most_similar(spans.reshape(shape)), _most_similar(boxes.reshape(shape)))


def _most_similar(similarity: _Array) -> float:
    """The similarity of the most similar substructures. `similarity` is that of each place of one grid with each of
    the other: (rows, columns, rows of the other, columns of the other).
    """
    rows, other_rows = _align(_best_scores(similarity.transpose(0, 2, 1, 3)))
    columns, other_columns = _align(_best_scores(similarity.transpose(1, 3, 0, 2)))
    aligned = similarity[rows[:, None], columns[None, :], other_rows[:, None], other_columns[None, :]]
    return float(aligned.sum())


def _best_scores(similarity: _Array) -> _Array:
    """The score of the best alignment of two sequences, for many pairs of them: (…, N, M) to (…)."""
    best = np.zeros((*similarity.shape[:-2], similarity.shape[-1] + 1))
    for index in range(similarity.shape[-2]):
        with_pair = best[..., :-1] + similarity[..., index, :]
        best[..., 1:] = np.maximum.accumulate(np.maximum(best[..., 1:], with_pair), axis=-1)
    scores: _Array = best[..., -1]
    return scores


def _align(similarity: _Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The best alignment of two sequences of N and M items, (N, M): the items of both that are aligned, in order."""
    n, m = similarity.shape
    best = np.zeros((n + 1, m + 1))
    for index in range(n):
        with_pair = best[index, :-1] + similarity[index]
        best[index + 1, 1:] = np.maximum.accumulate(np.maximum(best[index, 1:], with_pair))
    pairs = []
    while n and m:
        if best[n, m] == best[n - 1, m - 1] + similarity[n - 1, m - 1]:
            n, m = n - 1, m - 1
            pairs.append((n, m))
        elif best[n, m] == best[n - 1, m]:
            n -= 1
        else:
            m -= 1
    found = np.array(pairs[::-1], dtype=np.intp).reshape(-1, 2)
    return found[:, 0], found[:, 1]
