"""The detections of a network on a page: boxes with their category and score."""

from typing import Any, NamedTuple

from training.geometry import Box
from training.labels.categories import CATEGORIES

WORKING_SCORE = 0.3  # detections with lower scores are ignored by `training.infer`, unless it is told otherwise


class Detection(NamedTuple):
    """A detected box in pixels of the page's image, its category (`labels.categories`) and its score (0 to 1)."""

    category: int
    score: float
    box: Box


def from_mmdetection(instances: Any) -> list[Detection]:
    """The detections in mmdetection's result for one page. It holds tensors: `bboxes` (N, 4) in pixels, `scores` (N,)
    and `labels` (N,), which count CATEGORIES from 0.
    """
    categories = list(CATEGORIES)
    boxes, scores, labels = (getattr(instances, name).cpu().tolist() for name in ("bboxes", "scores", "labels"))
    return [
        Detection(categories[label], score, Box(*box)) for box, score, label in zip(boxes, scores, labels, strict=True)
    ]
