"""Which pages a model does worst on, and what is wrong there. Pure, but for reading the truth.

A page's score is the F1 of its tables and cells: a detection is right where it covers a labelled box of its class with
an IoU of at least .5, each box once, the surest detections first. Headers are left out, which are made of cells.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.geometry import Box
from training.labels.categories import CELL, TABLE
from training.model.detections import Detection

JUDGED = (TABLE, CELL)
MIN_IOU = 0.5
MIN_SCORE = 0.3  # of a detection, as `training.infer` takes them by default
MAX_PAGES = 12


@dataclass(frozen=True, kw_only=True)
class TruePage:
    """A page and its labels, (category, box) each, in its pixels."""

    file_name: str
    width: int
    height: int
    boxes: Sequence[tuple[int, Box]]


@dataclass(frozen=True, kw_only=True)
class JudgedPage:
    """A page's labels and detections, told apart by whether they meet."""

    file_name: str
    width: int
    height: int
    found: Sequence[Box]  # labels that were detected
    missed: Sequence[Box]  # labels that were not
    right: Sequence[Box]  # detections
    wrong: Sequence[Box]

    @property
    def f1(self) -> float:
        """0 to 1; 1 where there is nothing and nothing was detected."""
        total = len(self.found) + len(self.missed) + len(self.right) + len(self.wrong)
        return 2 * len(self.right) / total if total else 1.0


def read_truth(coco_file: Path) -> dict[int, TruePage]:
    """The pages of a COCO file by their ids. Raises OSError, ValueError, KeyError for what is none."""
    content = json.loads(coco_file.read_bytes())
    boxes: dict[int, list[tuple[int, Box]]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        if annotation["category_id"] in JUDGED:
            left, top, width, height = annotation["bbox"]
            box = Box(left, top, left + width, top + height)
            boxes[annotation["image_id"]].append((annotation["category_id"], box))
    return {
        image["id"]: TruePage(
            file_name=image["file_name"], width=image["width"], height=image["height"], boxes=boxes[image["id"]]
        )
        for image in content["images"]
    }


def judge(page: TruePage, detections: Iterable[Detection]) -> JudgedPage:
    """Compare a page's detections with its labels; those less sure than MIN_SCORE do not count."""
    found: list[Box] = []
    missed: list[Box] = []
    right: list[Box] = []
    wrong: list[Box] = []
    sure = sorted(
        (item for item in detections if item.score >= MIN_SCORE and all(map(math.isfinite, item.box))),
        key=lambda item: (-item.score, item.box),
    )
    for category in JUDGED:
        labels = [box for kind, box in page.boxes if kind == category]
        detected = [item.box for item in sure if item.category == category]
        met = _match(detected, labels)
        found += [labels[index] for index in met if index is not None]
        missed += [label for index, label in enumerate(labels) if index not in met]
        right += [box for box, index in zip(detected, met, strict=True) if index is not None]
        wrong += [box for box, index in zip(detected, met, strict=True) if index is None]
    return JudgedPage(
        file_name=page.file_name,
        width=page.width,
        height=page.height,
        found=found,
        missed=missed,
        right=right,
        wrong=wrong,
    )


def worst(pages: Iterable[JudgedPage], most: int = MAX_PAGES) -> list[JudgedPage]:
    """The worst pages, the worst first; of equally bad ones those with more faults. Perfect ones are left out."""
    by_name: Mapping[str, JudgedPage] = {page.file_name: page for page in pages}
    faulty = [page for page in by_name.values() if page.f1 < 1.0]
    return sorted(faulty, key=lambda page: (page.f1, -len(page.missed) - len(page.wrong), page.file_name))[:most]


def _match(detected: Sequence[Box], labels: Sequence[Box]) -> list[int | None]:
    """For each detection, in their order, the label that it meets best of those that no one before met."""
    if not detected or not labels:
        return [None] * len(detected)
    overlaps = _ious(_array(detected), _array(labels))
    met: list[int | None] = []
    for row in overlaps:
        best = int(row.argmax())
        if row[best] >= MIN_IOU:
            met.append(best)
            overlaps[:, best] = 0.0
        else:
            met.append(None)
    return met


def _array(boxes: Sequence[Box]) -> NDArray[np.float64]:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _ious(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The IoU of each box of the one with each of the other."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.clip(high - low, 0.0, None), axis=2)
    area_one, area_other = (np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None), axis=1) for boxes in (one, other))
    together = area_one[:, None] + area_other[None, :] - common
    ious: NDArray[np.float64] = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return ious
