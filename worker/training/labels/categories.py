"""The categories of labels with their colours, and a label: a box with its category. Pure."""

from typing import NamedTuple, Self

from training.geometry import Box

TABLE, CELL, HEADER = 1, 2, 3
CATEGORIES = {TABLE: "table", CELL: "Cell", HEADER: "header"}


class LabelledBox(NamedTuple):
    """A label: a category and a COCO box in whole pixels."""

    category: int
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(cls, category: int, box: Box) -> Self:
        """The label around all pixels that `box` covers, even in part."""
        outer = box.rounded_out()
        return cls(category, int(outer.left), int(outer.top), int(outer.width), int(outer.height))

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.left + self.width, self.top + self.height)


COLOURS = {1: "#ef703f", 2: "#38fb5c", 3: "#e17282"}
