"""What people changed on a page, told from its labels before and after. Pure.

No tool keeps a label's number through export and import, so a label that was moved is known by where it is: it still
overlaps its old place, or has the same size nearby.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from training.labels.categories import LabelledBox

MIN_OVERLAP = 0.1  # IoU of a label that was moved or resized with its old place
NEAR = 0.1  # of the page's longer side: how far a label of the same size was moved at most
SAME_SIZE_PX = 1
Distance = Callable[[LabelledBox, LabelledBox], float | None]  # of an old and a new label; None: not the same one


@dataclass(frozen=True)
class PageChanges:
    """Labels of one page: `moved` and `relabelled` as they were and as they are; resized ones count as moved."""

    moved: tuple[tuple[LabelledBox, LabelledBox], ...] = ()
    added: tuple[LabelledBox, ...] = ()
    deleted: tuple[LabelledBox, ...] = ()
    relabelled: tuple[tuple[LabelledBox, LabelledBox], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.moved or self.added or self.deleted or self.relabelled)


def page_changes(before: Iterable[LabelledBox], after: Iterable[LabelledBox], page_size_px: int) -> PageChanges:
    """Compares a page's labels; `page_size_px` is the page's longer side."""
    old, new = Counter(before), Counter(after)
    gone, come = sorted((old - new).elements()), sorted((new - old).elements())
    relabelled = _pairs(gone, come, _by_box)
    moved = _pairs(gone, come, _by_overlap)
    moved += _pairs(gone, come, lambda one, other: _by_size(one, other, NEAR * page_size_px))
    return PageChanges(tuple(moved), tuple(come), tuple(gone), tuple(relabelled))


def _pairs(
    gone: list[LabelledBox], come: list[LabelledBox], distance: Distance
) -> list[tuple[LabelledBox, LabelledBox]]:
    """Takes pairs out of both lists, the nearest first."""
    near = [(far, one, other) for one in gone for other in come if (far := distance(one, other)) is not None]
    pairs = []
    for _, one, other in sorted(near):
        if one in gone and other in come:
            gone.remove(one)
            come.remove(other)
            pairs.append((one, other))
    return pairs


def _by_box(one: LabelledBox, other: LabelledBox) -> float | None:
    return 0.0 if one.box == other.box else None


def _by_overlap(one: LabelledBox, other: LabelledBox) -> float | None:
    overlap = one.box.iou(other.box) if one.category == other.category else 0.0
    return -overlap if overlap >= MIN_OVERLAP else None


def _by_size(one: LabelledBox, other: LabelledBox, reach_px: float) -> float | None:
    is_alike = one.category == other.category and all(
        abs(length - of_other) <= SAME_SIZE_PX
        for length, of_other in ((one.width, other.width), (one.height, other.height))
    )
    far = math.dist((one.left, one.top), (other.left, other.top))
    return far if is_alike and far <= reach_px else None
