"""The boxes that a stage of the cascade learns from."""

import pytest
import torch
from mmdet.models.task_modules import AssignResult

from training.train.network.sampler import CategoryBalancedSampler

TABLE, CELL, HEADER = 0, 1, 2


def assigned(*positives: int, negatives: int = 50) -> AssignResult:
    """A result with a positive box of each category named, and so many negative ones."""
    boxes = len(positives) + negatives
    labels = torch.full((boxes,), -1)
    labels[: len(positives)] = torch.tensor(positives, dtype=torch.long)
    indices = torch.zeros(boxes, dtype=torch.long)
    indices[: len(positives)] = torch.arange(1, len(positives) + 1)
    return AssignResult(num_gts=len(positives), gt_inds=indices, max_overlaps=torch.zeros(boxes), labels=labels)


@pytest.mark.parametrize(
    ("positives", "number", "expected"),
    [
        pytest.param([CELL] * 40, 10, {CELL: 10}, id="one category has them all"),
        pytest.param([TABLE] * 3 + [CELL] * 40, 10, {TABLE: 3, CELL: 7}, id="the rare one is there in full"),
        pytest.param([TABLE] * 9 + [CELL] * 40 + [HEADER] * 20, 12, {TABLE: 4, CELL: 4, HEADER: 4}, id="equal parts"),
        pytest.param([TABLE] + [CELL] * 40 + [HEADER] * 2, 13, {TABLE: 1, CELL: 10, HEADER: 2}, id="the rest is cells"),
        pytest.param([TABLE, CELL], 10, {TABLE: 1, CELL: 1}, id="fewer than asked for"),
        pytest.param([], 10, {}, id="a page without labels"),
    ],
)
def test_each_category_gets_the_same_number_of_boxes_as_far_as_it_has_them(
    positives: list[int], number: int, expected: dict[int, int]
) -> None:
    torch.manual_seed(0)
    result = assigned(*positives)
    chosen = CategoryBalancedSampler(num=64, pos_fraction=0.25)._sample_pos(result, number)
    assert len(set(chosen.tolist())) == len(chosen)
    labels = result.labels[chosen].tolist()
    assert {label: labels.count(label) for label in set(labels)} == expected


def test_which_boxes_of_a_category_are_chosen_is_random() -> None:
    result = assigned(*[CELL] * 100)
    sampler = CategoryBalancedSampler(num=64, pos_fraction=0.25)
    torch.manual_seed(0)
    draws = {tuple(sorted(sampler._sample_pos(result, 10).tolist())) for _ in range(5)}
    assert len(draws) == 5
