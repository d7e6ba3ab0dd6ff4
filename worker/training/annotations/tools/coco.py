"""COCO files for correction tools and from them. Pure.

COCO Annotator needs an outline for each label and leaves out what has none; it keeps the two together as one box. Other
tools make a second shape of the outline: they are given the box alone.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from training.annotations.tools.tool_page import ToolPage
from training.dataset.coco import CocoDataset, categories
from training.dataset.edited import Coco
from training.geometry import Box
from training.labels.labelled_page import LabelledPage


def with_outlines(pages: Sequence[LabelledPage]) -> bytes:
    """The pages as COCO Annotator takes them."""
    return "".join(CocoDataset(pages).pieces()).encode()


def boxes_alone(pages: Sequence[LabelledPage]) -> bytes:
    """The pages as other tools take them, each label once."""
    dataset = CocoDataset(pages)
    annotations = [{**item, "segmentation": []} for item in dataset.annotations()]
    content = {"images": list(dataset.images()), "annotations": annotations, "categories": categories()}
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def as_coco(pages: Iterable[ToolPage]) -> Coco:
    """What another format holds, as a COCO file would hold it; images and annotations are numbered from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    for page in pages:
        sides = dict(zip(("width", "height"), page.size, strict=True)) if page.size else {}
        images.append({"id": len(images) + 1, "file_name": page.name, **sides})
        for label, box, is_polygon in page.boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": len(images),
                    "category_id": numbers.setdefault(label, len(numbers) + 1),
                    "bbox": [box.left, box.top, box.width, box.height],
                    "segmentation": [_outline(box)] if is_polygon else [],
                }
            )
    names = [{"id": number, "name": label} for label, number in numbers.items()]
    return {"images": images, "annotations": annotations, "categories": names}


def labelled_images_alone(content: Coco) -> Coco:
    """Without the images that have no annotation: Label Studio lists tasks that nobody has submitted like those."""
    labelled = {str(item.get("image_id")) for item in content["annotations"]}
    return {**content, "images": [image for image in content["images"] if str(image.get("id")) in labelled]}


def _outline(box: Box) -> list[float]:
    return [box.left, box.top, box.right, box.top, box.right, box.bottom, box.left, box.bottom]
