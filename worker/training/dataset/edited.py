"""Reads a split's COCO file that people edited after preprocess, with COCO Annotator or another tool. Pure.

Such tools renumber and reorder everything, write boxes with fractions, add fields and leave pages out; people delete
and draw annotations. Images are matched by file name, categories by name in any case (as in COCO Annotator). Boxes are
the `bbox`, rounded out to whole pixels. The outline (`segmentation`) is used only if the bbox is empty: every tool
keeps the bbox up to date, but not every tool the outline. Boxes that are turned, and labels of which a tool made two
shapes, are refused: neither says where the label is.

COCO Annotator does not list pages without annotations. A missing page that had no labels after preprocess stays in, as
a negative example. Any other missing page is not trained on: its labels may have been deleted, but the export also
stops at the first page without annotations, and treating the rest as empty would teach that tables are none.
https://github.com/jsbroks/coco-annotator/issues/342
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training.dataset.coco_lint import OR_DELETE, lint
from training.dataset.image_names import ImageNames
from training.dataset.twins import Shape, twins
from training.errors import DataError
from training.geometry import Box
from training.labels.categories import CATEGORIES, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

EDGE_TOLERANCE_PX = 2.0  # a box that reaches over its page's edge by no more than this is cut there
FAR_PX = 1e9  # larger coordinates cannot be pixels
_IDS = {name.casefold(): number for number, name in CATEGORIES.items()}
Coco = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class EditedSplit:
    """The pages to train on, in the order of the split's images.

    `left_out` names the pages that had labels and are missing from the file. `repeated` counts dropped duplicates of
    annotations.
    """

    pages: tuple[LabelledPage, ...]
    left_out: tuple[str, ...]
    repeated: int


def read_edited_split(
    data: bytes, where: str, sizes: Mapping[str, tuple[int, int]], unlabelled: Iterable[str] = ()
) -> EditedSplit:
    """Parses and checks the edited COCO file `data`.

    Args:
        where: the name of the file for messages.
        sizes: width and height in pixels of each image of the split, by file name.
        unlabelled: file names of the images that had no labels after preprocess.

    Raises:
        DataError: the file cannot be used; the message names the image and the annotation, and what to do.
    """
    return read_edited_content(parse_coco(data, where), where, sizes, unlabelled)


def read_edited_content(
    content: Coco,
    where: str,
    sizes: Mapping[str, tuple[int, int]],
    unlabelled: Iterable[str] = (),
    *,
    remedy: str = OR_DELETE,
) -> EditedSplit:
    """`read_edited_split` of a file that is parsed already; `remedy` is how a sentence ends that says what to do."""
    names = ImageNames(sizes)
    images = [_image(item, where, names, sizes, remedy) for item in content["images"]]
    by_id = {image["id"]: image for image in images if type(image["id"]) is int}
    categories = _categories(content["categories"], where, remedy)
    annotations = [_annotation(item, where, by_id, categories) for item in content["annotations"]]
    unique = {(item["file_name"], item["category_id"], *item["bbox"]): item for item in annotations}
    repeated = len(annotations) - len(unique)
    lint(images, unique.values(), there=sizes, edited=where, remedy=remedy)
    _refuse_twins(annotations, where, is_whole=2 * repeated > len(unique))
    boxes: dict[str, list[LabelledBox]] = {name: [] for name in unlabelled}
    boxes |= {image["file_name"]: [] for image in images}
    for item in unique.values():
        boxes[item["file_name"]].append(LabelledBox(item["category_id"], *item["bbox"]))
    return EditedSplit(
        pages=tuple(
            LabelledPage(name, width, height, PackedBoxes(sorted(boxes[name])))
            for name, (width, height) in sizes.items()
            if name in boxes
        ),
        left_out=tuple(name for name in sizes if name not in boxes),
        repeated=repeated,
    )


def _refuse_twins(annotations: list[dict[str, Any]], where: str, *, is_whole: bool) -> None:
    """Raises DataError if labels are there twice; copies only if the whole file is (`is_whole`), since then it was
    imported twice, and what people moved or deleted is still there in the other layer.
    """
    pages: dict[str, list[Shape]] = {}
    for item in annotations:
        left, top, width, height = item["bbox"]
        box = Box(left, top, left + width, top + height)
        pages.setdefault(item["file_name"], []).append(
            Shape(item["id"], item["category_id"], box, has_outline=item["has_outline"])
        )
    found = [(name, *pair) for name, shapes in pages.items() for pair in twins(shapes, copies=is_whole)]
    if found:
        name, one, other = found[0]
        place = f"{CATEGORIES[one.category]} on {name} at ({one.box.left:g}, {one.box.top:g})"
        raise DataError(
            f"{where}: {len(found)} labels are there twice, such as annotations {one.number} and {other.number} "
            f"({place}), as if imported as rectangles and as polygons: what was moved or deleted stays; remove "
            "one of each two, or begin with `python3 -m training.annotations export`, which gives each label once."
        )


def parse_coco(data: bytes, where: str) -> Coco:
    """The file's images, annotations and categories. Raises DataError if it is no COCO file."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON ({error}); export it again{OR_DELETE}.") from None
    for name in ("images", "annotations", "categories"):
        items = content.get(name) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise DataError(f"{where} is no COCO file: {name} must be a list of objects; export it again{OR_DELETE}.")
    return dict(content)


def _categories(items: list[dict[str, Any]], where: str, remedy: str) -> dict[int, str]:
    """Category names by the file's ids."""
    names: dict[int, str] = {}
    for item in items:
        identifier, name = item.get("id"), item.get("name")
        if type(identifier) is not int or not isinstance(name, str):
            raise DataError(f"{where}: a category has the id {identifier!r} and the name {name!r}; correct it{remedy}.")
        if names.setdefault(identifier, name) != name:
            raise DataError(
                f"{where}: {names[identifier]} and {name} share the category id {identifier}; correct it{remedy}."
            )
    return names


def _image(
    item: Mapping[str, Any], where: str, names: ImageNames, sizes: Mapping[str, tuple[int, int]], remedy: str
) -> dict[str, Any]:
    """The image with the name and the size of its file."""
    written = str(item.get("file_name") or item.get("path") or "")
    try:
        name = names.find(written) or written
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    width, height = sizes.get(name, (0, 0))
    if name in sizes:
        _check_stated_size(item, width, height, f"{where}: the image {name}", remedy)
    return {"id": item.get("id"), "file_name": name, "width": width, "height": height}


def _check_stated_size(item: Mapping[str, Any], width: int, height: int, what: str, remedy: str) -> None:
    """Raises DataError if the file states another size than that of the image, or none."""
    stated = [item.get("width", width), item.get("height", height)]
    for side, value in zip(("width", "height"), stated, strict=True):
        if type(value) not in (int, float):
            raise DataError(
                f"{what} has the {side} {json.dumps(value, ensure_ascii=False)}, which is no number; write the numbers "
                f"{width} and {height} for width and height, or export it again{remedy}."
            )
    if stated != [width, height]:
        raise DataError(
            f"{what} is {stated[0]} x {stated[1]} there, but its file has {width} x {height} pixels, so that the boxes "
            f"are of another image; annotate the images of this dataset{remedy}."
        )


def _annotation(
    item: dict[str, Any], where: str, images: Mapping[int, dict[str, Any]], categories: Mapping[int, str]
) -> dict[str, Any]:
    """The annotation as `lint` takes it, plus its image's file name, which is empty if the image is not listed."""
    image_id, category_id = item.get("image_id"), item.get("category_id")
    image = images.get(image_id) if type(image_id) is int else None
    what = f"{where}: annotation {item.get('id')} on {image['file_name'] if image else f'the image {image_id}'}"
    category = categories.get(category_id) if type(category_id) is int else None
    number = _IDS.get((category or "").strip().casefold())
    if number is None:
        names = ", ".join(CATEGORIES.values())
        raise DataError(f"{what} is of the category {category or category_id}; make it one of {names}, or delete it.")
    if item.get("iscrowd"):
        raise DataError(f"{what} is marked as a crowd (iscrowd); draw a box around each, or delete it.")
    rotation = _rotation(item)
    if rotation:
        raise DataError(
            f"{what} ({category}) is turned by {rotation} degrees, and labels cannot be; draw it level, or delete it."
        )
    box = _box(item)
    if box is None:
        raise DataError(f"{what} has no bbox [left, top, width, height] and no polygon; draw it again, or delete it.")
    if image is not None:
        box = _cut(box, Box(0, 0, image["width"], image["height"]))
    outer = box.rounded_out()
    bbox = [int(outer.left), int(outer.top), int(outer.width), int(outer.height)]
    return {
        "id": item.get("id"),
        "image_id": image_id,
        "file_name": image["file_name"] if image else "",
        "category_id": number,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "has_outline": bool(item.get("segmentation")),
    }


def _rotation(item: Mapping[str, Any]) -> Any:
    """By how many degrees the box is turned; CVAT writes it among the attributes. Something false if it is not."""
    attributes = item.get("attributes")
    rotation = attributes.get("rotation") if isinstance(attributes, dict) else None
    return rotation.strip("0.") and rotation if isinstance(rotation, str) else rotation


def _cut(box: Box, page: Box) -> Box:
    """Cuts off what reaches over the page's edge by at most EDGE_TOLERANCE_PX."""
    inside = box.intersection(page)
    reach = max(abs(edge - other) for edge, other in zip(box, inside, strict=True))
    return inside if reach <= EDGE_TOLERANCE_PX else box


def _box(item: Mapping[str, Any]) -> Box | None:
    bbox = _numbers(item.get("bbox"))
    if len(bbox) == 4 and bbox[2] > 0 and bbox[3] > 0:
        return Box(bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3])
    polygons = item.get("segmentation")
    if isinstance(polygons, list):  # a run-length encoded mask is no list
        points = [_numbers(polygon) for polygon in polygons]
        xs = [x for polygon in points for x in polygon[::2]]
        ys = [y for polygon in points for y in polygon[1::2]]
        if xs and ys:
            return Box(min(xs), min(ys), max(xs), max(ys))
    return Box(bbox[0], bbox[1], bbox[0], bbox[1]) if len(bbox) == 4 else None


def _numbers(value: Any) -> list[float]:
    """The numbers of a list; an empty list if it holds anything else."""
    if not isinstance(value, list) or not all(type(item) in (int, float) for item in value):
        return []
    # The comparison is false for NaN, too.
    return [float(item) for item in value] if all(abs(item) < FAR_PX for item in value) else []
