"""Matches detected boxes with labelled ones. Pure."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]  # (N, 4): left, top, right, bottom


def match(detected: Boxes, labelled: Boxes, *, min_iou: float) -> list[int | None]:
    """For each detected box, in order, the index of the labelled one with the highest IoU that no earlier box was
    matched with, or None if that IoU is below `min_iou`, which must be above 0.
    """
    if not len(labelled):
        return [None] * len(detected)
    overlaps = ious(detected, labelled)
    matches: list[int | None] = []
    for row in overlaps:
        best = int(row.argmax())
        if row[best] >= min_iou:
            matches.append(best)
            overlaps[:, best] = 0.0
        else:
            matches.append(None)
    return matches


def ious(one: Boxes, other: Boxes) -> NDArray[np.float64]:
    """The IoU of each of N boxes with each of M boxes, (N, M). Empty boxes have an IoU of 0 with all."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.clip(high - low, 0.0, None), axis=2)
    area_one, area_other = (np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None), axis=1) for boxes in (one, other))
    together = area_one[:, None] + area_other[None, :] - common
    found: NDArray[np.float64] = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return found
