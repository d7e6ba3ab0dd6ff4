"""Finds labels that are there twice, since a tool made two shapes of each. Pure.

Label Studio's and CVAT's importers of COCO make a rectangle of a label's bbox and a polygon of its segmentation. People
then move or delete one of the two, the other stays, and both are exported.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from training.geometry import Box

MIN_IOU = 0.7  # different labels of one category on a page overlap far less


class Shape(NamedTuple):
    """An annotation: its number in its file, its category, its box in pixels, and whether it has an outline."""

    number: object
    category: int
    box: Box
    has_outline: bool


def twins(shapes: Sequence[Shape], *, copies: bool = False) -> list[tuple[Shape, Shape]]:
    """The pairs of one category on nearly the same box of a page. Copies, in all the same, count only if `copies`."""
    found = []
    by_category: dict[int, list[Shape]] = defaultdict(list)
    for shape in sorted(shapes, key=lambda shape: shape.box):
        by_category[shape.category].append(shape)
    for ordered in by_category.values():
        for index, shape in enumerate(ordered):
            # Boxes that overlap so much have left edges that lie nearer than this.
            reach = shape.box.left + (1 - MIN_IOU) * shape.box.width
            for other in ordered[index + 1 :]:
                if other.box.left > reach:
                    break
                is_copy = (other.box, other.has_outline) == (shape.box, shape.has_outline)
                if (copies or not is_copy) and shape.box.iou(other.box) >= MIN_IOU:
                    found.append((shape, other))
    return found
