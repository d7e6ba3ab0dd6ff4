"""Label Studio's JSON: tasks to label, and the exports "JSON" and "JSON-MIN". Pure.

    [{"id", "data": {"image": address}, "annotations": [{"was_cancelled", "result": [
        {"type": "rectanglelabels", "original_width", "original_height", "image_rotation",
         "value": {"x", "y", "width", "height", "rotation", "rectanglelabels": [label]}}]}]}]

Coordinates are percentages of the image's width and height. JSON-MIN has the values of `result` in lists beside
`image`, each with its `original_width` and `original_height`. In tasks to label, `predictions` stand for `annotations`:
people see them, but until they submit the task, its export has none.
https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks https://labelstud.io/guide/predictions
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box, union
from training.labels.categories import CATEGORIES, COLOURS
from training.labels.labelled_page import LabelledPage

PAGE_KEY = "dataset_page"  # where our tasks hold the image's name, whatever its address
_IMAGE = re.compile(r"\.(jpe?g|png|tiff?|webp|bmp)($|[?#&])", re.IGNORECASE)
_FAR = 1e6  # larger percentages are of no image
_DECIMALS = 3  # of a pixel: percentages do not come back to the last digit

LABEL_CONFIG = "\n".join(
    [
        "<View>",
        '  <Image name="image" value="$image" zoom="true" zoomControl="true"/>',
        '  <RectangleLabels name="label" toName="image" canRotate="false">',
        *(f'    <Label value="{name}" background="{COLOURS[number]}"/>' for number, name in CATEGORIES.items()),
        "  </RectangleLabels>",
        "</View>\n",
    ]
)


def tasks(pages: Iterable[LabelledPage], address: Callable[[str], str]) -> bytes:
    """The pages as tasks for the labelling interface LABEL_CONFIG; `address` tells where a file name's image is."""
    content = [
        {
            "data": {"image": address(page.file_name), PAGE_KEY: page.file_name},
            "predictions": [{"model_version": "dataset", "result": list(_regions(page))}],
        }
        for page in pages
    ]
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _regions(page: LabelledPage) -> Iterator[dict[str, Any]]:
    for number, label in enumerate(page.boxes, 1):
        yield {
            "id": f"label-{number}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": page.width,
            "original_height": page.height,
            "image_rotation": 0,
            "value": {
                "x": label.left / page.width * 100,
                "y": label.top / page.height * 100,
                "width": label.width / page.width * 100,
                "height": label.height / page.height * 100,
                "rotation": 0,
                "rectanglelabels": [CATEGORIES[label.category]],
            },
        }


def read(data: bytes, where: str) -> list[ToolPage]:
    """The pages that somebody has submitted; `where` is the file's name for messages.

    Raises DataError for what cannot be read as boxes: turned ones, masks, several people's versions of a page.
    """
    try:
        tasks = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON ({error}); export it again, as JSON.") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DataError(f"{where} is no export of Label Studio: it must be a list of tasks; export it as JSON.")
    return [page for task in tasks if (page := _page(task, where)) is not None]


def _page(task: Mapping[str, Any], where: str) -> ToolPage | None:
    """The task's page; None if nobody has submitted it, so that the tool knows nothing about it."""
    is_full = isinstance(task.get("data"), dict)
    name = _image(task["data"] if is_full else task)
    what = f"{where}: task {task.get('id')}"
    if name is None:
        raise DataError(f"{what} names no image; export it again, as JSON.")
    what = f"{what} ({name})"
    versions = _versions(task) if is_full else _minimal(task)
    if not versions:
        return None
    found = [_boxes(version, what) for version in versions]
    if any(sorted(boxes) != sorted(found[0][0]) for boxes, _ in found):
        raise DataError(f"{what} has {len(found)} annotations that differ; delete all but the right one.")
    boxes, sizes = found[0]
    if len(sizes) > 1:
        raise DataError(f"{what} has images of several sizes, {sorted(sizes)}; annotate it again.")
    return ToolPage(name, next(iter(sizes), None), tuple(boxes))


def _image(data: Mapping[str, Any]) -> str | None:
    for key in (PAGE_KEY, "image"):
        if isinstance(data.get(key), str):
            return str(data[key])
    return next((value for value in data.values() if isinstance(value, str) and _IMAGE.search(value)), None)


def _versions(task: Mapping[str, Any]) -> list[list[Any]]:
    """The results of each person who submitted the task. Skipped tasks are marked as cancelled."""
    versions = task.get("annotations")
    return [
        version["result"]
        for version in (versions if isinstance(versions, list) else [])
        if isinstance(version, dict) and not version.get("was_cancelled") and isinstance(version.get("result"), list)
    ]


def _minimal(task: Mapping[str, Any]) -> list[list[Any]]:
    """The same of a task of JSON-MIN, in the form of the full JSON."""
    lists = (value for value in task.values() if isinstance(value, list))
    result = [{**item, "value": item} for values in lists for item in values if isinstance(item, dict)]
    return [result] if result or task.get("annotation_id", 0) is not None else []


def _boxes(result: list[Any], what: str) -> tuple[list[ToolBox], set[tuple[int, int]]]:
    """The boxes, and the image's sizes that they state."""
    items = [item for item in result if isinstance(item, dict) and isinstance(item.get("value"), dict)]
    # With a text or a choice for each region, a region is several items of one id, of which one has its label.
    labelled = {item.get("id") for item in items if _labels(item["value"])}
    boxes, sizes = [], set()
    for item in items:
        value = item["value"]
        region = f"{what}: the region {item.get('id', '')}".rstrip()
        kind, labels = _labels(value) or ("", [])
        if not labels:
            if str(item.get("type")).endswith(("labels", "rectangle", "polygon")) and item.get("id") not in labelled:
                raise DataError(f"{region} has no label; give it one, or delete it.")
            continue
        if kind not in ("rectanglelabels", "polygonlabels", "labels"):
            raise DataError(f"{region} is no box ({kind}); draw a rectangle in its place.")
        width, height = item.get("original_width"), item.get("original_height")
        if type(width) is not int or type(height) is not int:
            raise DataError(f"{region} states no size of its image (original_width); export it again, as JSON.")
        sizes.add((width, height))
        box = _pixels(value, width, height)
        if box is None:
            raise DataError(f"{region} ({labels[0]}) has no coordinates; draw it again, or delete it.")
        rotation = value.get("rotation") or item.get("image_rotation")
        if rotation:
            raise DataError(
                f"{region} ({labels[0]}) at ({box.left:g}, {box.top:g}) is turned by {rotation} degrees, and labels "
                "cannot be; draw it level, or delete it."
            )
        boxes += [ToolBox(label, box, is_polygon="points" in value) for label in labels]
    return boxes, sizes


def _labels(value: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """The key under which a region's labels stand, such as rectanglelabels, and the labels."""
    for key, labels in value.items():
        if key.endswith("labels") and isinstance(labels, list) and labels:
            return key, [str(label) for label in labels]
    return None


def _pixels(value: Mapping[str, Any], width: int, height: int) -> Box | None:
    corners = list(_corners(value))
    if not corners:
        return None
    box = union(Box(x, y, x, y) for x, y in corners).scaled(width / 100, height / 100)
    return Box(*(round(edge, _DECIMALS) for edge in box))


def _corners(value: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """Corners in per cent; none if something else stands there."""
    points = value.get("points")
    if not isinstance(points, list):
        left, top, width, height = (value.get(name, "") for name in ("x", "y", "width", "height"))
        if not all(_is_percentage(number) for number in (left, top, width, height)):
            return
        points = [[left, top], [left + width, top + height]]
    if all(
        isinstance(point, list) and [_is_percentage(number) for number in point] == [True, True] for point in points
    ):
        yield from ((float(x), float(y)) for x, y in points)


def _is_percentage(value: Any) -> bool:
    # The comparison is false for NaN, too.
    return type(value) in (int, float) and abs(value) < _FAR
