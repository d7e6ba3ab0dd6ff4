"""The classes of labels, and a label: the vocabulary of all that follows. Pure."""

from typing import NamedTuple

TABLE, CELL, HEADER = 1, 2, 3
CATEGORIES = {TABLE: "table", CELL: "Cell", HEADER: "header"}


class LabelledBox(NamedTuple):
    """A COCO box in whole pixels."""

    category: int
    left: int
    top: int
    width: int
    height: int


COLOURS = {1: "#ef703f", 2: "#38fb5c", 3: "#e17282"}
