"""Reads COCO files of any maker as pages with labelled boxes. Pure.

    {"images": [{"id", "file_name", "width", "height"}], "categories": [{"id", "name"}],
     "annotations": [{"image_id", "category_id", "bbox": [left, top, width, height]}]}

https://cocodataset.org/#format-data
"""

from collections import defaultdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.badgerdoc.document import explain
from training.errors import DataError
from training.geometry import Box

_Id = int | str


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Image(_Model):
    id: _Id
    file_name: str = Field(min_length=1)
    width: int | None = Field(None, ge=1)
    height: int | None = Field(None, ge=1)


class _Category(_Model):
    id: _Id
    name: str


class _Annotation(_Model):
    id: _Id | None = None
    image_id: _Id
    category_id: _Id
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    segmentation: Any = None
    iscrowd: Any = 0
    attributes: Any = None


class _Coco(_Model):
    images: tuple[_Image, ...]
    categories: tuple[_Category, ...]
    annotations: tuple[_Annotation, ...]


def read(data: bytes, where: str) -> list[ToolPage]:
    """The pages, in the order of `images`; `where` is the file's name for messages.

    Raises DataError if it is no COCO file, or for annotations that are no boxes: turned ones and crowds.
    """
    try:
        coco = _Coco.model_validate_json(data.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        raise DataError(f"{where} is no COCO file: {explain(error, 'file')}; export it again.") from None
    images = {image.id: image for image in coco.images}
    names = {category.id: category.name for category in coco.categories}
    boxes: dict[_Id, list[ToolBox]] = defaultdict(list)
    for item in coco.annotations:
        what = f"{where}: annotation {item.id}"
        if item.image_id not in images or item.category_id not in names:
            raise DataError(
                f"{what} is on the image {item.image_id!r} and of the category {item.category_id!r}, which are not "
                "both listed; delete it, or list them."
            )
        what += f" on {images[item.image_id].file_name}"
        if item.iscrowd:
            raise DataError(f"{what} is marked as a crowd (iscrowd); draw a box around each, or delete it.")
        rotation = item.attributes.get("rotation") if isinstance(item.attributes, dict) else None
        if rotation:
            raise DataError(f"{what} is turned by {rotation} degrees, and labels cannot be; draw it level again.")
        left, top, width, height = item.bbox
        box = Box(left, top, left + width, top + height)
        if box.is_empty:
            raise DataError(f"{what} has an empty bbox; draw it again, or delete it.")
        # Two shapes of one label are told by their kind: a tool that reads COCO makes a rectangle and a polygon of it.
        boxes[item.image_id].append(ToolBox(names[item.category_id], box, is_polygon=bool(item.segmentation)))
    return [
        ToolPage(
            image.file_name,
            (image.width, image.height) if image.width and image.height else None,
            tuple(boxes[image.id]),
        )
        for image in images.values()
    ]
