"""COCO datasets from labelled pages, as pycocotools and COCO Annotator read them. Pure.

    {"images": [{"id", "file_name", "width", "height"}], "annotations": [{"id", "image_id", "category_id", "bbox":
    [left, top, width, height], "area", "iscrowd", "isbbox", "segmentation"}], "categories": [{"id", "name", "color"}]}

Ids are integers in the order of the sorted documents: the same input gives the same file, and no two are equal.
https://cocodataset.org/#format-data
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from training.annotate import CATEGORIES, LabelledBox
from training.errors import DataError

COLOURS = {1: "#ef703f", 2: "#38fb5c", 3: "#e17282"}
_FIELDS = len(LabelledBox._fields)


class PackedBoxes:
    """Labelled boxes at 20 bytes each: a large corpus has a million, which as objects would take a gigabyte."""

    def __init__(self, boxes: Iterable[LabelledBox] = ()) -> None:
        self._numbers = array("i", (number for box in boxes for number in box))

    @classmethod
    def of_numbers(cls, numbers: "array[int]") -> "PackedBoxes":
        """From category, left, top, width and height of each box in turn."""
        packed = cls()
        packed._numbers = numbers
        return packed

    def __iter__(self) -> Iterator[LabelledBox]:
        for start in range(0, len(self._numbers), _FIELDS):
            yield LabelledBox(*self._numbers[start : start + _FIELDS])

    def __len__(self) -> int:
        return len(self._numbers) // _FIELDS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedBoxes) and self._numbers == other._numbers

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class LabelledPage:
    """A page's image and its labels."""

    file_name: str
    width: int
    height: int
    boxes: PackedBoxes


@dataclass(frozen=True)
class CocoDataset:
    """The pages of one split, with the ids that their first image and first annotation get."""

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
            for category, left, top, width, height in page.boxes:
                right, bottom = left + width, top + height
                yield {
                    "id": annotation_id,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "isbbox": True,
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                }
                annotation_id += 1

    def counts(self) -> dict[str, int]:
        """Annotations per class."""
        counts = dict.fromkeys(CATEGORIES.values(), 0)
        for page in self.pages:
            for box in page.boxes:
                counts[CATEGORIES[box.category]] += 1
        return counts

    def chunks(self) -> Iterator[str]:
        """The JSON text piece by piece: one image or annotation a line, so that two data sets can be compared."""
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


def lint(images: Iterable[dict[str, Any]], annotations: Iterable[dict[str, Any]]) -> None:
    """Raises DataError for what makes pycocotools or training fail or, worse, learn nonsense.

    That is ids that repeat or dangle, names or boxes that repeat, boxes outside their image or without area.
    Annotations come image by image.
    """
    sizes: dict[int, tuple[int, int]] = {}
    names: set[str] = set()
    for image in images:
        if image["id"] in sizes or image["file_name"] in names:
            raise DataError(f"Two images share the id {image['id']} or the name {image['file_name']}; report this.")
        sizes[image["id"]] = image["width"], image["height"]
        names.add(image["file_name"])
    seen: set[int] = set()
    page, boxes = None, set[tuple[int, ...]]()
    for annotation in annotations:
        number = annotation["id"]
        if number in seen:
            raise DataError(f"Two annotations share the id {number}; report this.")
        seen.add(number)
        if annotation["image_id"] not in sizes or annotation["category_id"] not in CATEGORIES:
            raise DataError(f"Annotation {number} names an image or a category that does not exist; report this.")
        left, top, width, height = annotation["bbox"]
        image_width, image_height = sizes[annotation["image_id"]]
        if width <= 0 or height <= 0 or annotation["area"] <= 0:
            raise DataError(f"Annotation {number} has no area; report this.")
        if left < 0 or top < 0 or left + width > image_width or top + height > image_height:
            raise DataError(f"Annotation {number} lies outside its image; report this.")
        if annotation["image_id"] != page:
            page, boxes = annotation["image_id"], set()
        box = (annotation["category_id"], left, top, width, height)
        if box in boxes:
            raise DataError(f"Annotation {number} is there twice; report this.")
        boxes.add(box)


def _lines(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    separator = ""
    for item in items:
        yield separator + _text(item)
        separator = ",\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
