"""The classes of labels, and a label: the vocabulary of all that follows. Pure."""

from typing import NamedTuple, Self

from training.geometry import Box

TABLE, CELL, HEADER = 1, 2, 3
CATEGORIES = {TABLE: "table", CELL: "Cell", HEADER: "header"}


class LabelledBox(NamedTuple):
    """A COCO box in whole pixels."""

    category: int
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(cls, category: int, box: Box) -> Self:
        """The label of all pixels that a box covers, be it in part."""
        outer = box.rounded_out()
        return cls(category, int(outer.left), int(outer.top), int(outer.width), int(outer.height))

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.left + self.width, self.top + self.height)


COLOURS = {1: "#ef703f", 2: "#38fb5c", 3: "#e17282"}
