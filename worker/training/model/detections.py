"""What a network says of a page: boxes, with their classes and how sure it is."""

from typing import Any, NamedTuple

from training.geometry import Box
from training.labels.categories import CATEGORIES


class Detection(NamedTuple):
    """One box of the network, in pixels of the page: its category (`labels.categories`), how sure it is (0 to 1)."""

    category: int
    score: float
    box: Box


def from_mmdetection(instances: Any) -> list[Detection]:
    """Of mmdetection's result for one page; the classes are those of CATEGORIES, in their order."""
    categories = list(CATEGORIES)
    boxes, scores, labels = (getattr(instances, name).cpu().tolist() for name in ("bboxes", "scores", "labels"))
    return [
        Detection(categories[label], score, Box(*box)) for box, score, label in zip(boxes, scores, labels, strict=True)
    ]
