"""The pages of a split as arrays: their labels, and what was detected on them. Pure, except for reading the COCO file.

Arrays keep thousands of pages with a thousand boxes each small, in memory and in messages between ranks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# (N, 6), a row for each detection: left, top, right, bottom in pixels, score, and the class, which counts from 0.
Detections = NDArray[np.float32]
SCORE, CLASS = 4, 5  # columns of Detections


@dataclass(frozen=True, kw_only=True)
class PageTruth:
    """A page of N labels; sizes and boxes in pixels of its image."""

    file_name: str
    width: int
    height: int
    boxes: NDArray[np.float64]  # (N, 4): left, top, width, height, as COCO has them
    classes: NDArray[np.intp]  # (N,), counting from 0
    is_crowd: NDArray[np.bool_]  # (N,)

    def corners(self, of_class: int) -> NDArray[np.float64]:
        """The boxes of a class, (M, 4): left, top, right, bottom."""
        boxes = self.boxes[self.classes == of_class]
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


@dataclass(frozen=True, kw_only=True)
class EvaluatedSplit:
    """A split's pages and what was detected on them, by image id; a page without an entry has no detections."""

    classes: Sequence[str]
    pages: Mapping[int, PageTruth]
    detections: Mapping[int, Detections]

    def detected(self, page: int) -> Detections:
        """What was detected on the page with this image id."""
        return self.detections.get(page, np.zeros((0, 6), dtype=np.float32))


def read_pages(coco_file: Path, classes: Sequence[str]) -> dict[int, PageTruth]:
    """The pages of a COCO file by image id, with the labels of these classes.

    Raises OSError, ValueError or KeyError for an invalid file.
    """
    content = json.loads(coco_file.read_bytes())
    numbers = {item["id"]: classes.index(item["name"]) for item in content["categories"] if item["name"] in classes}
    of_image: dict[int, list[tuple[list[float], int, bool]]] = {image["id"]: [] for image in content["images"]}
    for item in content["annotations"]:
        if item["category_id"] in numbers:
            label = item["bbox"], numbers[item["category_id"]], bool(item.get("iscrowd", 0))
            of_image[item["image_id"]].append(label)
    return {
        image["id"]: PageTruth(
            file_name=image["file_name"],
            width=image["width"],
            height=image["height"],
            boxes=np.array([box for box, _, _ in of_image[image["id"]]], dtype=np.float64).reshape(-1, 4),
            classes=np.array([number for _, number, _ in of_image[image["id"]]], dtype=np.intp),
            is_crowd=np.array([crowd for _, _, crowd in of_image[image["id"]]], dtype=np.bool_),
        )
        for image in content["images"]
    }
