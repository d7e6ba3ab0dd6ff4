"""Writes labelled pages as a COCO dataset that pycocotools and COCO Annotator can read. Pure.

    {"images": [{"id", "file_name", "width", "height"}], "annotations": [{"id", "image_id", "category_id", "bbox":
    [left, top, width, height], "area", "iscrowd", "isbbox", "segmentation"}], "categories": [{"id", "name", "color"}]}

Ids are unique integers in the order of the sorted documents, so the same input gives the same file.
https://cocodataset.org/#format-data
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.labels.categories import CATEGORIES, COLOURS
from training.labels.labelled_page import LabelledPage


@dataclass(frozen=True)
class CocoDataset:
    """The pages of one split, and the ids of their first image and first annotation."""

    pages: Sequence[LabelledPage]
    first_image_id: int = 1
    first_annotation_id: int = 1

    def images(self) -> Iterator[dict[str, Any]]:
        """COCO's images, in order."""
        for image_id, page in enumerate(self.pages, self.first_image_id):
            yield {"id": image_id, "file_name": page.file_name, "width": page.width, "height": page.height}

    def annotations(self) -> Iterator[dict[str, Any]]:
        """COCO's annotations, in order."""
        annotation_id = self.first_annotation_id
        for image_id, page in enumerate(self.pages, self.first_image_id):
            for label in page.boxes:
                left, top, right, bottom = label.box
                yield {
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": label.category,
                    "bbox": [left, top, label.width, label.height],
                    "area": label.width * label.height,
                    "iscrowd": 0,
                    "isbbox": True,
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                }
                annotation_id += 1

    def counts(self) -> dict[str, int]:
        """The number of annotations by category name."""
        counts = dict.fromkeys(CATEGORIES.values(), 0)
        for page in self.pages:
            for box in page.boxes:
                counts[CATEGORIES[box.category]] += 1
        return counts

    def pieces(self) -> Iterator[str]:
        """The JSON text piece by piece, one image or annotation a line, so that diff can compare two datasets."""
        yield '{"images": [\n'
        yield from _lines(self.images())
        yield '], "annotations": [\n'
        yield from _lines(self.annotations())
        yield f'], "categories": {_text(categories())}}}\n'


def categories() -> list[dict[str, Any]]:
    """COCO's categories with COCO Annotator's colours."""
    return [
        {"id": number, "name": name, "supercategory": "", "color": COLOURS[number], "metadata": {}}
        for number, name in CATEGORIES.items()
    ]


def _lines(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    separator = ""
    for item in items:
        yield separator + _text(item)
        separator = ",\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
