"""What a network needs of a page, and the step that gives it."""

from typing import Any

import pytest

from training.model.smallest_page import pad_small_pages, padded, smallest_side

PACK = {"type": "PackDetInputs"}
PAD = {"type": "Pad", "size": (64, 64), "pad_val": {"img": (255, 255, 255)}}


@pytest.mark.parametrize(
    ("model", "side"),
    [
        ({"rpn_head": {"anchor_generator": {"strides": [4, 8, 16, 32, 64]}}}, 64),
        ({"bbox_head": {"anchor_generator": {"strides": [(8, 8), (16, 16), (128, 128)]}}}, 128),
        ({"roi_head": {"bbox_roi_extractor": [{"featmap_strides": (4, 8, 16, 32)}]}}, 32),
        ({"backbone": {"strides": (1, 2, 2, 2)}, "bbox_head": {"prior_generator": {"strides": [8, 16, 32]}}}, 32),
        ({"bbox_head": {"strides": None}}, 1),
        ({"type": "DETR"}, 1),
    ],
)
def test_a_network_needs_as_many_pixels_a_side_as_its_deepest_stride(model: Any, side: int) -> None:
    assert smallest_side(model) == side


def test_a_page_is_padded_after_all_other_steps_and_before_it_is_packed() -> None:
    steps = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (448, 448)}, PACK]
    assert padded(steps, 64) == [*steps[:2], PAD, PACK]
    assert padded(padded(steps, 64), 64) == padded(steps, 64)
    assert padded(steps, 1) == steps
    assert padded(steps[:2], 64) == steps[:2]


def test_every_pipeline_of_nested_datasets_gets_the_step() -> None:
    dataset: dict[str, Any] = {
        "dataset": {"dataset": {"pipeline": [PACK]}, "pipeline": []},
        "pipeline": [{"type": "x"}, PACK],
    }
    pad_small_pages(dataset, 64)
    assert dataset["dataset"]["dataset"]["pipeline"] == [PAD, PACK]
    assert dataset["dataset"]["pipeline"] == []
    assert dataset["pipeline"] == [{"type": "x"}, PAD, PACK]
