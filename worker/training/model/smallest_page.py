"""Pads pages that are too narrow for a network, so that it bears pages of any shape.

A network halves a page again and again; of a page that has fewer pixels a side than its deepest stride, nothing is
left, and the network fails. So a page that is still smaller after the config's own steps (Resize, RandomResize,
RandomCrop) gets a white margin on the right or below. All others stay as they are. The published config does not have
this step, so that models published before it are padded, too.
"""

from collections.abc import Iterator
from typing import Any

from training.model.config import dicts_in

_STRIDES = ("strides", "featmap_strides")  # of the anchors' or points' generator, and of the regions' extractor
WHITE = 255


def smallest_side(model: Any) -> int:
    """How many pixels a side the network of the config's `model` needs: the largest stride that it names; else 1."""
    return max(
        (stride for part in dicts_in(model) for name in _STRIDES for stride in _numbers(part.get(name))), default=1
    )


def pad_small_pages(dataset: Any, side: int) -> None:
    """Adds to a config's `dataset`, in place, the step that pads pages to `side` pixels a side, before they are packed.

    mmdetection's Pad with a size pads what is smaller, and only that.
    """
    for part in dicts_in(dataset):
        steps = part.get("pipeline")
        if isinstance(steps, list):
            part["pipeline"] = padded(steps, side)


def padded(steps: list[Any], side: int) -> list[Any]:
    """The steps of a pipeline with that step before the one that packs the page."""
    step = {"type": "Pad", "size": (side, side), "pad_val": {"img": (WHITE, WHITE, WHITE)}}
    packing = [index for index, other in enumerate(steps) if str(other["type"]).endswith("PackDetInputs")]
    if not packing or side == 1 or step in steps:
        return steps
    return [*steps[: packing[0]], step, *steps[packing[0] :]]


def _numbers(value: Any) -> Iterator[int]:
    """The whole numbers in nested lists."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif type(value) is int:
        yield value
