"""A page as a correction tool exports it: its name, its size and its labelled boxes in pixels. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from training.geometry import Box


class ToolBox(NamedTuple):
    """A labelled shape. `box` is in pixels, perhaps with fractions; of a polygon it is the smallest box around it."""

    label: str
    box: Box
    is_polygon: bool = False


@dataclass(frozen=True)
class ToolPage:
    """`name` is the image's name as the tool writes it, often with a prefix, or as part of an address.

    `size` is the image's width and height in pixels, or None if the export does not tell.
    """

    name: str
    size: tuple[int, int] | None
    boxes: tuple[ToolBox, ...]
