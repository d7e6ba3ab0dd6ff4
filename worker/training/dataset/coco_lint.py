"""Checks a COCO file for faults that break pycocotools or training. Pure."""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from training.errors import DataError
from training.labels.categories import CATEGORIES

# How a sentence ends that says what to correct: in a dataset's own file, and in what a tool exported.
OR_DELETE = ", or delete the file and run preprocess again"
IN_THE_TOOL = " in the tool, and export it again"


def lint(
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
    *,
    there: Container[str] | None = None,
    edited: str = "",
    remedy: str = OR_DELETE,
) -> None:
    """Raises DataError for faults that make pycocotools or training fail or, worse, learn nonsense.

    Faults are ids that are no integers, repeat or refer to nothing; images that repeat or are not `there`; boxes
    without area, outside their image, or twice on it (in annotations that come image by image, to save memory).

    Args:
        there: file names of the split's images; None accepts any name.
        edited: the address of a file that people edited: the message names it and says what to do. Without one, a
            fault is a bug in preprocess, and the message says so.
        remedy: how the sentence about an edited file ends.
    """

    def fault(what: str, correction: str) -> DataError:
        if edited:
            return DataError(f"{edited}: {what}; {correction}{remedy}.")
        return DataError(f"{what}; this is a fault of preprocess, please report it.")

    pages = _check_images(images, there, fault)
    numbers, page, boxes = _Numbers(), None, set[tuple[Any, ...]]()
    for annotation in annotations:
        number, image_id, category = annotation["id"], annotation["image_id"], annotation["category_id"]
        if type(image_id) is not int or image_id not in pages:
            raise fault(f"Annotation {number} is on the image {image_id!r}, which is not listed", "delete it")
        image = pages[image_id]
        what = f"Annotation {number} on {image['file_name']}"
        if type(number) is not int:
            raise fault(f"{what} has an id that is no whole number", "give it one")
        if not numbers.add(number):
            raise fault(f"{what} has the id of another one", "give each its own")
        if category not in CATEGORIES:
            raise fault(f"{what} is of the category {category!r}, which does not exist", "correct or delete it")
        left, top, width, height = annotation["bbox"]
        what = f"Annotation {number} ({CATEGORIES[category]}) on {image['file_name']}"
        # Negated comparisons, so that NaN is found too.
        if not (width > 0 and height > 0 and annotation["area"] > 0):
            raise fault(f"{what} has no area", "draw it again or delete it")
        if not (left >= 0 and top >= 0 and left + width <= image["width"] and top + height <= image["height"]):
            raise fault(
                f"{what} lies outside its image of {image['width']} x {image['height']} pixels: its box goes from "
                f"({left:g}, {top:g}) to ({left + width:g}, {top + height:g})",
                "move or delete it",
            )
        if image_id != page:
            page, boxes = image_id, set()
        box = (category, left, top, width, height)
        if box in boxes:
            raise fault(f"{what} is there twice", "delete one of the two")
        boxes.add(box)


def _check_images(
    images: Iterable[Mapping[str, Any]], there: Container[str] | None, fault: Callable[[str, str], DataError]
) -> dict[int, Mapping[str, Any]]:
    """The images by id."""
    pages: dict[int, Mapping[str, Any]] = {}
    names: set[str] = set()
    for image in images:
        identifier, name = image["id"], image["file_name"]
        if type(identifier) is not int:
            raise fault(f"The image {name} has the id {identifier!r}", "give it a whole number")
        if identifier in pages:
            other = pages[identifier]["file_name"]
            raise fault(f"The images {other} and {name} share the id {identifier}", "give each its own")
        if name in names:
            raise fault(f"The image {name} is listed twice", "list it once")
        if there is not None and name not in there:
            raise fault(f"The image {name} is not one of the split's", "take it out, with its annotations")
        pages[identifier] = image
        names.add(name)
    return pages


class _Numbers:
    """A set of integers. Consecutive ones, such as the ids from preprocess, take constant memory."""

    def __init__(self) -> None:
        self._first, self._last = 0, -1
        self._others: set[int] = set()

    def add(self, number: int) -> bool:
        """Adds a number; returns whether it is new."""
        if self._first <= number <= self._last or number in self._others:
            return False
        if self._last < self._first:
            self._first = self._last = number
        elif number == self._last + 1:
            self._last = number
        else:
            self._others.add(number)
        return True
