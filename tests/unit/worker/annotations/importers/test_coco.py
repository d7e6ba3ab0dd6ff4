"""COCO files of any maker."""

import json
from typing import Any

import pytest

from training.annotations.importers.formats.coco import read
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box

IMAGE = {"id": 7, "file_name": "pages/a_0.jpg", "width": 600, "height": 800}
CATEGORY = {"id": 1, "name": "table"}
ANNOTATION = {"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 20.5, 100, 50]}


def coco(*annotations: Any, images: Any = (IMAGE,), categories: Any = (CATEGORY,)) -> bytes:
    return json.dumps({"images": images, "categories": categories, "annotations": annotations}).encode()


def test_each_image_is_a_page_with_its_boxes() -> None:
    outlined = {**ANNOTATION, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]]}
    data = coco(ANNOTATION, outlined, images=[IMAGE, {"id": "b", "file_name": "b.png"}])
    assert read(b"\xef\xbb\xbf" + data, "x") == [
        ToolPage(
            "pages/a_0.jpg",
            (600, 800),
            (ToolBox("table", Box(10, 20.5, 110, 70.5)), ToolBox("table", Box(1, 2, 4, 6), is_polygon=True)),
        ),
        ToolPage("b.png", None, ()),
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[]", "x is no COCO file"),
        (b"{", "x is no COCO file"),
        (coco({**ANNOTATION, "bbox": [1, 2, 3]}), r"file.annotations.0.bbox.3: Field required"),
        (coco({**ANNOTATION, "bbox": [1, 2, 3, None]}), r"file.annotations.0.bbox.3: "),
        (coco({**ANNOTATION, "image_id": 8}), "annotation 3 is on the image 8"),
        (coco({**ANNOTATION, "category_id": 8}), "of the category 8"),
        (coco({**ANNOTATION, "iscrowd": 1}), "annotation 3 on pages/a_0.jpg is marked as a crowd"),
        (coco({**ANNOTATION, "attributes": {"rotation": 12.5}}), "is turned by 12.5 degrees"),
        (coco({**ANNOTATION, "bbox": [1, 2, 0, 4]}), "has an empty bbox"),
    ],
)
def test_what_cannot_be_read_as_boxes_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(data, "x")
