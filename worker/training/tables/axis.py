"""Finds the lines of a table along one axis: the rows, or the columns, that each of its cells is in. Pure.

Detected cells are as small as their text, so the cells of a column need not overlap: its heading may stand on the left,
its numbers on the right. Two columns are different if some row has a cell in each. Along one axis a cell is an
interval; two cells lie beside each other if they share a line of the other axis.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

MEETS = 0.4  # two cells overlap if they share more than this fraction of the shorter one
REACHES = 0.3  # a cell in several lines is in those with which it shares more than this fraction of the shorter one
EDGE = 0.1  # fraction of a cell's length, at each end, that may reach into a neighbour without counting


class Interval(NamedTuple):
    """From `start` to `end`, in pixels."""

    start: float
    end: float

    @property
    def centre(self) -> float:
        return (self.start + self.end) / 2

    def overlap(self, other: "Interval") -> float:
        """The pixels that both share; negative for the gap between them."""
        return min(self.end, other.end) - max(self.start, other.start)

    def shares(self, other: "Interval", part: float) -> bool:
        """Whether they share more than the fraction `part` of the shorter one."""
        return self.overlap(other) > part * min(self.end - self.start, other.end - other.start)


class Span(NamedTuple):
    """The lines that a cell is in, from `first` to `last`, both included."""

    first: int
    last: int

    def meets(self, other: "Span") -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Lines:
    """The span of each cell, and the extent of each line, which covers the cells that are only in this line."""

    spans: tuple[Span, ...]
    extents: tuple[Interval, ...]


def guess_spans(cells: Sequence[Interval]) -> list[Span]:
    """Guesses the lines of cells from this axis alone: each line is a point, the fewest that leave no cell without one.

    Good for rows, whose cells are about as high as their text.
    """
    inner = [Interval(a + EDGE * (b - a), b - EDGE * (b - a)) for a, b in cells]
    points: list[float] = []
    for start, end in sorted(inner, key=lambda cell: (cell.end, cell.start)):
        if not points or start > points[-1]:
            points.append(end)
    spans = []
    for start, end in inner:
        found = [index for index, point in enumerate(points) if start <= point <= end]
        spans.append(Span(found[0], found[-1]))
    return spans


def find_lines(cells: Sequence[Interval], across: Sequence[Span]) -> Lines:
    """The lines of `cells`, of which there must be at least one; `across` are their spans along the other axis.

    Cells that lie beside each other are never in the same line.
    """
    several = _spanning(cells, across)
    if len(several) == len(cells):
        several = set()
    while True:
        spans, extents = _single_lines(cells, across, several)
        for index in sorted(several, key=lambda index: cells[index]):
            taken = {
                line
                for other, span in spans.items()
                if across[other].meets(across[index])
                for line in range(span.first, span.last + 1)
            }
            reached = [line for line, extent in enumerate(extents) if cells[index].shares(extent, REACHES)]
            run = _longest_run([line for line in reached if line not in taken])
            if run is not None:
                spans[index] = run
        if len(spans) == len(cells):
            return Lines(tuple(spans[index] for index in range(len(cells))), tuple(extents))
        # Cells that fit into no lines of the others get lines of their own.
        several &= spans.keys()


def centred(cell: Interval, span: Span, free: set[int], extents: Sequence[Interval]) -> Span:
    """The span on which the cell is best centred: its own, or a longer one that includes `free` lines beside it.

    A heading of several columns is often narrower than any of them and centred on all of them.
    """
    first, last = span
    while first - 1 in free:
        first -= 1
    while last + 1 in free:
        last += 1
    choices = [Span(a, b) for a in range(first, span.first + 1) for b in range(span.last, last + 1)]

    def distance(choice: Span) -> tuple[float, int]:
        middle = (extents[choice.first].start + extents[choice.last].end) / 2
        return abs(middle - cell.centre), choice.last - choice.first

    return min(choices, key=distance)


def _single_lines(
    cells: Sequence[Interval], across: Sequence[Span], several: Set[int]
) -> tuple[dict[int, Span], list[Interval]]:
    """The lines of the cells that are in one line only (not in `several`): their spans, and the lines' extents."""
    single = [index for index in range(len(cells)) if index not in several]
    single.sort(key=lambda index: (cells[index].centre, cells[index]))
    spans: dict[int, Span] = {}
    extents = []
    for line, group in enumerate(_split([cells[index] for index in single], [across[index] for index in single])):
        members = [single[place] for place in group]
        extents.append(Interval(min(cells[i].start for i in members), max(cells[i].end for i in members)))
        spans.update(dict.fromkeys(members, Span(line, line)))
    return spans, extents


def _longest_run(lines: Sequence[int]) -> Span | None:
    """The first longest run of consecutive numbers in a sorted sequence; None if the sequence is empty."""
    best: Span | None = None
    run: Span | None = None
    for line in lines:
        run = Span(run.first, line) if run is not None and line == run.last + 1 else Span(line, line)
        if best is None or run.last - run.first > best.last - best.first:
            best = run
    return best


def _spanning(cells: Sequence[Interval], across: Sequence[Span]) -> set[int]:
    """The cells that are in several lines, since they overlap two cells that lie beside each other."""
    beside: dict[int, list[Interval]] = defaultdict(list)
    for cell, span in sorted(zip(cells, across, strict=True)):
        for line in range(span.first, span.last + 1):
            beside[line].append(cell)
    found = set()
    for line, members in beside.items():
        starts = [member.start for member in members]
        ends = list(accumulate((member.end for member in members), max))
        for index, cell in enumerate(cells):
            if index in found or across[index].first <= line <= across[index].last:
                continue
            near = members[bisect_right(ends, cell.start) : bisect_left(starts, cell.end)]
            overlapped = [member for member in near if cell.shares(member, MEETS)]
            if any(not one.shares(other, MEETS) for one, other in pairwise(overlapped)):
                found.add(index)
    return found


def _split(cells: Sequence[Interval], across: Sequence[Span]) -> list[range]:
    """Cuts the cells, sorted by their centres, into lines without two cells beside each other.

    It separates as few overlapping cells as possible, then makes as few cuts as possible, then with the widest gaps.
    """
    ends = list(accumulate((cell.end for cell in cells), max))
    starts = list(accumulate((cell.start for cell in reversed(cells)), min))[::-1]
    parted = _parted(cells)
    # Best way up to each cell: separated pairs, lines, minus the sum of the gaps, where the last line begins.
    best: list[tuple[int, int, float, int]] = [(0, 0, 0.0, 0)]
    for end in range(1, len(cells) + 1):
        choices = []
        taken: set[int] = set()
        for start in range(end - 1, -1, -1):
            own = range(across[start].first, across[start].last + 1)
            if not taken.isdisjoint(own):
                break
            taken.update(own)
            gap = starts[start] - ends[start - 1] if start else 0.0
            pairs, lines, cost, _ = best[start]
            choices.append((pairs + parted[start], lines + 1, cost - gap, start))
        best.append(min(choices))
    groups = []
    end = len(cells)
    while end:
        start = best[end][-1]
        groups.append(range(start, end))
        end = start
    return groups[::-1]


def _parted(cells: Sequence[Interval]) -> list[int]:
    """For each cell, how many pairs of overlapping cells a cut before it separates."""
    longest = max(cell.end - cell.start for cell in cells)
    changes = [0] * (len(cells) + 1)
    for index, cell in enumerate(cells):
        for other in range(index + 1, len(cells)):
            if cells[other].centre - cell.centre > (cell.end - cell.start + longest) / 2:
                break
            if cell.shares(cells[other], MEETS):
                changes[index + 1] += 1
                changes[other + 1] -= 1
    return list(accumulate(changes[:-1]))
