"""COCO Annotator as far as its files go: what it takes of a COCO file, and what it exports after people edited.

Told from its `backend/workers/tasks/data.py` (import, "Export COCO"), `backend/webserver/util/coco_util.py` ("Download
COCO") and `backend/database/` (https://github.com/jsbroks/coco-annotator, 0.11).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any


@dataclass
class CocoAnnotator:
    """One dataset in its database, whose ids it counts over all datasets. `sizes` of the scanned images by name."""

    sizes: Mapping[str, tuple[int, int]]
    categories: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(731, 3))

    def __post_init__(self) -> None:
        # In the order of the folder, which is none.
        for name, (width, height) in sorted(self.sizes.items(), key=lambda item: item[0][::-1]):
            image = {"id": next(self.numbers), "dataset_id": 4, "path": f"/datasets/tables/{name}", "file_name": name}
            self.images.append({**image, "width": width, "height": height})

    def add_category(self, name: str) -> int:
        """A category; found again in any case."""
        for category in self.categories:
            if category["name"].lower() == name.lower():
                return int(category["id"])
        looks = {"supercategory": "", "color": "#1f77b4", "metadata": {}, "keypoint_colors": []}
        self.categories.append({"id": next(self.numbers), "name": name, **looks})
        return int(self.categories[-1]["id"])

    def import_file(self, content: Mapping[str, Any]) -> int:
        """Imports a COCO file; returns the number of annotations that it skipped with a warning."""
        categories = {item["id"]: self.add_category(item["name"]) for item in content["categories"]}
        by_name = {image["file_name"]: image["id"] for image in self.images}
        images = {item["id"]: by_name[item["file_name"]] for item in content["images"] if item["file_name"] in by_name}
        skipped = 0
        for item in content["annotations"]:
            if not item.get("segmentation") or item["image_id"] not in images or item["category_id"] not in categories:
                skipped += 1
                continue
            self._add(
                image_id=images[item["image_id"]],
                category_id=categories[item["category_id"]],
                segmentation=item["segmentation"],
                area=item.get("area", 0),
                bbox=item.get("bbox", [0, 0, 0, 0]),
                isbbox=item.get("isbbox", False),
            )
        return skipped

    def draw(self, name: str, category: str, corners: Iterable[tuple[float, float]]) -> None:
        """A shape drawn by hand: its bbox is that of its mask, in whole pixels written as fractions."""
        points = [(round(x, 2), round(y, 2)) for x, y in corners]
        xs, ys = [round(x) for x, _ in points], [round(y) for _, y in points]
        left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        self._add(
            image_id=next(image["id"] for image in self.images if image["file_name"] == name),
            category_id=self.add_category(category),
            segmentation=[[number for point in points for number in point]],
            area=width * height,
            bbox=[float(left), float(top), float(width), float(height)],
            isbbox=False,
        )

    def delete(self, index: int) -> None:
        """Deletes an annotation."""
        del self.annotations[index]

    def export(self, *, as_download: bool = False) -> dict[str, Any]:
        """What "Export COCO" writes, or "Download COCO": the latter has more fields and, like the former, no image
        without annotations. In 0.11 "Export COCO" leaves out what follows such an image, too.
        """
        images, annotations = [], []
        for image in self.images:
            found = [item for item in self.annotations if item["image_id"] == image["id"]]
            if not found and as_download:
                continue
            if not found:
                break
            images.append(image)
            annotations += found
        if as_download:
            extra = {"annotated": True, "annotating": [], "num_annotations": 7, "category_ids": [], "milliseconds": 0}
            images = [{**image, **extra, "metadata": {}, "events": []} for image in images]
            annotations = [
                {**item, "dataset_id": 4, "width": 1, "height": 1, "creator": "system", "events": []}
                for item in annotations
            ]
        return {"images": images, "categories": self.categories, "annotations": annotations}

    def _add(self, **fields: Any) -> None:
        looks = {"iscrowd": False, "color": "#d62728", "metadata": {}}
        self.annotations.append({"id": next(self.numbers), **fields, **looks})
