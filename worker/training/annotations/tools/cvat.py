"""CVAT's XML, "CVAT for images 1.1", to import annotations and as exported; its labels' constructor. Pure.

    <annotations><version>1.1</version><meta>…</meta>
      <image id="0" name="a_0.jpg" width="992" height="1403">
        <box label="Cell" xtl="53.00" ytl="60.00" xbr="71.00" ybr="80.00" rotation="12.00" occluded="0" z_order="0"/>
        <polygon label="Cell" points="53.00,60.00;71.00,60.00;…" …/></image></annotations>

Coordinates are pixels; a box that is turned has the attribute `rotation`, in degrees around its centre.
https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator

from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box, union
from training.labels.categories import CATEGORIES, COLOURS
from training.labels.labelled_page import LabelledPage

_ADVICE = "export the task as CVAT for images 1.1"
FAR_PX = 1e9  # larger coordinates cannot be pixels
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


def labels() -> bytes:
    """What to paste into a new task's "Raw" labels."""
    content = [
        {"name": name, "color": COLOURS[number], "type": "rectangle", "attributes": []}
        for number, name in CATEGORIES.items()
    ]
    return (json.dumps(content, indent=1) + "\n").encode()


def annotations(pages: Iterable[LabelledPage], name: Callable[[str], str]) -> bytes:
    """The pages' labels as rectangles; `name` tells how the task calls a file name's image."""
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    names = ET.SubElement(ET.SubElement(ET.SubElement(root, "meta"), "task"), "labels")
    for number, category in CATEGORIES.items():
        label = ET.SubElement(names, "label")
        ET.SubElement(label, "name").text = category
        ET.SubElement(label, "color").text = COLOURS[number]
        ET.SubElement(label, "attributes")
    for number, page in enumerate(pages):
        sizes = {"width": str(page.width), "height": str(page.height)}
        image = ET.SubElement(root, "image", {"id": str(number), "name": name(page.file_name), **sizes})
        for item in page.boxes:
            edges = {edge: f"{value:.2f}" for edge, value in zip(_CORNERS, item.box, strict=True)}
            looks = {"source": "file", "occluded": "0", "z_order": "0"}
            ET.SubElement(image, "box", {"label": CATEGORIES[item.category], **edges, **looks})
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def read(data: bytes, where: str) -> list[ToolPage]:
    """The pages of the export; `where` is the file's name for messages.

    Raises DataError for what cannot be read as boxes: turned ones, masks, tracks of a video.
    """
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise DataError(f"{where} declares a document type, which CVAT never does; {_ADVICE}.")
    try:
        root = ET.fromstring(data)  # noqa: S314  entities, its danger, are refused above
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{where} is no XML ({error}); {_ADVICE}.") from None
    if root.tag != "annotations":
        raise DataError(f"{where} is no export of CVAT: its root is {root.tag}; {_ADVICE}.")
    if root.find("track") is not None:
        raise DataError(f"{where} holds tracks of a video; {_ADVICE}.")
    return [_page(image, where) for image in root.iter("image")]


def _page(image: ET.Element, where: str) -> ToolPage:
    name = image.get("name")
    if not name:
        raise DataError(f"{where}: the image {image.get('id')} has no name; {_ADVICE}.")
    size = tuple(image.get(side, "") for side in ("width", "height"))
    return ToolPage(
        name=name,
        size=(int(size[0]), int(size[1])) if all(side.isascii() and side.isdigit() for side in size) else None,
        boxes=tuple(_boxes(image, f"{where}: {name}")),
    )


def _boxes(image: ET.Element, page: str) -> Iterator[ToolBox]:
    for number, shape in enumerate((shape for shape in image if shape.tag != "tag"), 1):
        label = shape.get("label", "")
        what = f"{page}: the {shape.tag} {label}, shape {number} of its image,"
        if shape.tag not in ("box", "polygon"):
            raise DataError(f"{what} is no box; draw a rectangle in its place.")
        corners = _numbers(shape, what)
        box = union(Box(x, y, x, y) for x, y in corners)
        rotation = shape.get("rotation", "0")
        if rotation.strip("0.") != "":
            raise DataError(
                f"{what} from ({box.left:g}, {box.top:g}) to ({box.right:g}, {box.bottom:g}), is turned by {rotation} "
                "degrees, and labels cannot be; draw it level, or delete it."
            )
        yield ToolBox(label, box, is_polygon=shape.tag == "polygon")


def _numbers(shape: ET.Element, what: str) -> list[tuple[float, float]]:
    """The shape's corners, or two opposite ones of a box."""
    if shape.tag == "box":
        texts = [tuple(shape.get(name, "") for name in _CORNERS[start : start + 2]) for start in (0, 2)]
    else:
        texts = [tuple(point.split(",")) for point in shape.get("points", "").split(";")]
    try:
        corners = [(float(x), float(y)) for x, y in texts]
        if all(abs(number) < FAR_PX for corner in corners for number in corner):  # false for NaN, too
            return corners
    except ValueError:
        pass
    raise DataError(f"{what} has no coordinates; draw it again, or delete it.")
