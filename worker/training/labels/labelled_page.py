"""A page with its labels, packed into 20 bytes a label, and what is odd about it. Pure."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from training.labels.categories import LabelledBox
from training.labels.remark import Remark

_FIELDS = len(LabelledBox._fields)


class PackedBoxes:
    """Labelled boxes at 20 bytes each: a large corpus has a million of them, which would take a gigabyte as objects."""

    def __init__(self, boxes: Iterable[LabelledBox] = ()) -> None:
        self._numbers = array("i", (number for box in boxes for number in box))

    @classmethod
    def of_numbers(cls, numbers: "array[int]") -> "PackedBoxes":
        """From a flat array of each box's category, left, top, width and height."""
        packed = cls()
        packed._numbers = numbers
        return packed

    def __iter__(self) -> Iterator[LabelledBox]:
        for start in range(0, len(self._numbers), _FIELDS):
            yield LabelledBox(*self._numbers[start : start + _FIELDS])

    def __len__(self) -> int:
        return len(self._numbers) // _FIELDS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedBoxes) and self._numbers == other._numbers

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class LabelledPage:
    """The name and size in pixels of a page's image, its labels, and what is odd about them or about the page."""

    file_name: str
    width: int
    height: int
    boxes: PackedBoxes
    remarks: tuple[Remark, ...] = ()
