"""Finds the pages with a model's worst detections, and the errors on them. Pure, except for reading the COCO file.

A page is judged by the F1 of its tables and cells. Detections are matched in the order of their scores: one is right if
its IoU with a label of its category, not matched before, is at least MIN_IOU. Headers are not judged, since they are
made of cells.
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
from training.model.detections import WORKING_SCORE, Detection
from training.model.matching import match

JUDGED = (TABLE, CELL)
MIN_IOU = 0.5
MIN_SCORE = WORKING_SCORE  # detections below it are ignored
MAX_PAGES = 12


@dataclass(frozen=True, kw_only=True)
class TruePage:
    """A page with its labels, each a category and a box in pixels of the page's image."""

    file_name: str
    width: int
    height: int
    boxes: Sequence[tuple[int, Box]]


@dataclass(frozen=True, kw_only=True)
class JudgedPage:
    """A page's labels and detections, each as matched or unmatched; boxes in pixels of the page's image."""

    file_name: str
    width: int
    height: int
    found: Sequence[Box]  # labels with a matching detection
    missed: Sequence[Box]  # labels without one
    right: Sequence[Box]  # detections with a matching label
    wrong: Sequence[Box]  # detections without one

    @property
    def f1(self) -> float:
        """0 to 1; 1 for a page without labels and detections."""
        total = len(self.found) + len(self.missed) + len(self.right) + len(self.wrong)
        return 2 * len(self.right) / total if total else 1.0


def read_truth(coco_file: Path) -> dict[int, TruePage]:
    """The pages of a COCO file by image id. Raises OSError, ValueError or KeyError for an invalid file."""
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
    """Compare a page's detections with its labels; detections below MIN_SCORE are ignored."""
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
        met = match(_array(detected), _array(labels), min_iou=MIN_IOU)
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
    """At most `most` pages, those with the lowest F1 first, then those with more errors. Perfect pages are left out."""
    by_name: Mapping[str, JudgedPage] = {page.file_name: page for page in pages}
    faulty = [page for page in by_name.values() if page.f1 < 1.0]
    return sorted(faulty, key=lambda page: (page.f1, -len(page.missed) - len(page.wrong), page.file_name))[:most]


def _array(boxes: Sequence[Box]) -> NDArray[np.float64]:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)
