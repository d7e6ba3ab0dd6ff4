"""A split's COCO file that people edited after preprocess, as COCO Annotator and other tools export it. Pure.

They number things anew, leave pages without annotations out, write boxes with fractions, add fields, and may delete or
draw any annotation. What is taken: the images by the names of their files, the annotations by their `bbox` (where it
is empty, by the outline's corners), the categories by their names. A page that the file does not list stays in as a
page without annotations. https://github.com/jsbroks/coco-annotator
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from training.annotate import CATEGORIES
from training.coco import categories
from training.errors import DataError

EDGE_TOLERANCE_PX = 2.0  # how far a box may reach over its page's edge: it is cut there
_IDS = {name: number for number, name in CATEGORIES.items()}
_ADVICE = "correct it, or delete the file and run preprocess again"


@dataclass(frozen=True)
class EditedSplit:
    """The file as training reads it; `left_out` counts the annotations that were there twice."""

    content: dict[str, Any]
    left_out: int


def read_edited_split(data: bytes, where: str, sizes: Mapping[str, tuple[int, int]]) -> EditedSplit:
    """The edited file `data`, checked and with ids of our own.

    Args:
        where: what messages call the file.
        sizes: width and height in pixels of each image of the split, by the name of its file, in order.

    Raises:
        DataError: something in it cannot be used; the message names the image or the annotation.
    """
    try:
        content = json.loads(data)
        images, annotations = content["images"], content["annotations"]
        known = {item["id"]: str(item["name"]) for item in content["categories"]}
        if not isinstance(images, list) or not isinstance(annotations, list):
            raise TypeError("images and annotations must be lists")  # noqa: TRY301 - one message for all of these
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{where} is no COCO file ({type(error).__name__}: {error}); {_ADVICE}.") from None
    names = _image_names(images, where, sizes)
    numbers = {name: number for number, name in enumerate(sizes, 1)}
    found: dict[str, list[tuple[int, list[float]]]] = {name: [] for name in sizes}
    left_out = 0
    for annotation in annotations:
        name, category, bbox = _annotation(annotation, where, names, known, sizes)
        if (category, bbox) in found[name]:
            left_out += 1
        else:
            found[name].append((category, bbox))
    return EditedSplit(
        {
            "images": [
                {"id": numbers[name], "file_name": name, "width": width, "height": height}
                for name, (width, height) in sizes.items()
            ],
            "annotations": list(_annotations(found, numbers)),
            "categories": categories(),
        },
        left_out,
    )


def _image_names(images: list[Any], where: str, sizes: Mapping[str, tuple[int, int]]) -> dict[Any, str]:
    """The file name of each image id."""
    names: dict[Any, str] = {}
    for image in images:
        try:
            # Some tools write the whole path.
            identifier, name = image["id"], PurePosixPath(str(image["file_name"])).name
            repeated = identifier in names or name in names.values()
        except (KeyError, TypeError) as error:
            raise DataError(f"{where}: an image lacks {error}; {_ADVICE}.") from None
        if name not in sizes:
            raise DataError(f"{where}: its image {name} is not one of this split's; {_ADVICE}.")
        if repeated:
            raise DataError(f"{where}: the image {name} or its id {identifier} is there twice; {_ADVICE}.")
        if (image.get("width", sizes[name][0]), image.get("height", sizes[name][1])) != sizes[name]:
            raise DataError(
                f"{where}: the image {name} is {image.get('width')} x {image.get('height')} there, but has "
                f"{sizes[name][0]} x {sizes[name][1]} pixels; {_ADVICE}."
            )
        names[identifier] = name
    return names


def _annotation(
    annotation: Any,
    where: str,
    names: Mapping[Any, str],
    known: Mapping[Any, str],
    sizes: Mapping[str, tuple[int, int]],
) -> tuple[str, int, list[float]]:
    """The image's name, our category and the box of an annotation."""
    try:
        what = f"{where}: annotation {annotation['id']}"
        image, category = annotation["image_id"], annotation["category_id"]
        name = names.get(image)
        category_name = known.get(category)
    except (KeyError, TypeError) as error:
        raise DataError(f"{where}: an annotation lacks {error}; {_ADVICE}.") from None
    if name is None:
        raise DataError(f"{what} names the image {image}, which is not in the file; {_ADVICE}.")
    if category_name not in _IDS:
        raise DataError(
            f"{what} on {name} is of the category {category_name or category!r}; use {', '.join(_IDS)}, or {_ADVICE}."
        )
    box = _box(annotation)
    if box is None:
        raise DataError(f"{what} on {name} has neither a bbox of four numbers nor an outline; {_ADVICE}.")
    left, top, right, bottom = box
    width, height = sizes[name]
    outside = max(-left, -top, right - width, bottom - height)
    if outside > EDGE_TOLERANCE_PX:
        raise DataError(f"{what} reaches {outside:g} pixels out of {name}; {_ADVICE}.")
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    if right <= left or bottom <= top:
        raise DataError(f"{what} on {name} has no area; {_ADVICE}.")
    return name, _IDS[category_name], [left, top, right - left, bottom - top]


def _box(annotation: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, right, bottom."""
    bbox = _numbers(annotation.get("bbox"))
    if len(bbox) == 4 and bbox[2] > 0 and bbox[3] > 0:
        return bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]
    outline = annotation.get("segmentation")
    if not isinstance(outline, list):  # a mask, run-length encoded, is a dict
        return None
    corners = [_numbers(polygon) for polygon in outline]
    xs = [x for polygon in corners for x in polygon[::2]]
    ys = [y for polygon in corners for y in polygon[1::2]]
    return (min(xs), min(ys), max(xs), max(ys)) if xs and ys else None


def _numbers(value: Any) -> list[float]:
    """The numbers of a list; none where it holds anything else."""
    if not isinstance(value, list) or any(
        isinstance(item, bool) or not isinstance(item, int | float) for item in value
    ):
        return []
    return [float(item) for item in value] if all(math.isfinite(item) for item in value) else []


def _annotations(
    found: Mapping[str, list[tuple[int, list[float]]]], numbers: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    number = 0
    for name, boxes in found.items():
        for category, bbox in boxes:
            number += 1
            yield {
                "id": number,
                "image_id": numbers[name],
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
            }
