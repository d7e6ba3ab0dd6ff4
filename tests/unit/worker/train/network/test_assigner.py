"""Labels are assigned to anchors in chunks as mmdetection assigns them all at once, bit for bit."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.task_modules import MaxIoUAssigner
from mmengine.structures import InstanceData
from torch import Tensor

from training.train.network import ChunkedMaxIoUAssigner

RPN = {"pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3, "match_low_quality": True}
STAGE = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5, "match_low_quality": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "of the RPN": RPN,
    "of a stage": STAGE,
    "one anchor a label": {**RPN, "gt_max_assign_all": False},
    "labels without an overlap match too": {**RPN, "min_pos_iou": 0.0},
    "negatives from a range": {**RPN, "neg_iou_thr": (0.1, 0.3)},
    "regions to ignore": {**RPN, "ignore_iof_thr": 0.5},
    "regions to ignore, by their own area": {**RPN, "ignore_iof_thr": 0.5, "ignore_wrt_candidates": False},
}


def boxes(generator: torch.Generator, number: int, *, grid: int) -> Tensor:
    """Boxes on a coarse grid, where many overlaps are equal; of some the area is 0."""
    corners = torch.randint(0, grid, (number, 2), generator=generator)
    sizes = torch.randint(0, grid // 2, (number, 2), generator=generator)
    return torch.cat([corners, corners + sizes], dim=1) * 8.0


def assigned(assigner: Any, anchors: Tensor, labelled: Tensor, ignored: Tensor) -> tuple[Tensor, ...]:
    kinds = torch.arange(len(labelled)) % 3
    result = assigner.assign(
        InstanceData(priors=anchors),
        InstanceData(bboxes=labelled, labels=kinds),
        InstanceData(bboxes=ignored),
    )
    return result.gt_inds, result.max_overlaps, result.labels


@pytest.mark.parametrize("name", SETTINGS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    numbers=st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 5)),
    max_pairs=st.integers(1, 400),
    grid=st.sampled_from([4, 12, 1000]),
)
def test_chunks_give_the_very_results_of_mmdetection(
    name: str, seed: int, numbers: tuple[int, int, int], max_pairs: int, grid: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    page = [boxes(generator, number, grid=grid) for number in numbers]  # anchors, labels, regions to ignore
    expected = assigned(MaxIoUAssigner(**SETTINGS[name]), *page)
    found = assigned(ChunkedMaxIoUAssigner(max_pairs=max_pairs, **SETTINGS[name]), *page)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_what_is_compared_at_once_does_not_grow_with_the_labels() -> None:
    compared = []
    assigner = ChunkedMaxIoUAssigner(max_pairs=1000, ignore_iof_thr=0.5, **RPN)
    calculate = assigner.iou_calculator

    def iou_calculator(one: Tensor, other: Tensor, **more: Any) -> Any:
        compared.append(len(one) * len(other))
        return calculate(one, other, **more)

    assigner.iou_calculator = iou_calculator
    generator = torch.Generator().manual_seed(0)
    assigned(assigner, *(boxes(generator, number, grid=100) for number in (300, 500, 200)))
    assert max(compared) <= 1000
    assert sum(compared) == 300 * (500 + 200)
