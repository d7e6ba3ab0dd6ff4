"""Chooses the boxes that a stage of the cascade learns from: as many of each category as there are."""

from typing import Any

import torch
from mmdet.models.task_modules import RandomSampler
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class CategoryBalancedSampler(RandomSampler):
    """RandomSampler that gives each category the same number of positive boxes, as far as it has them.

    A page has one table and hundreds of cells: of the boxes that RandomSampler draws hardly one is a table.
    """

    def _sample_pos(self, assign_result: Any, num_expected: int, **_: Any) -> Tensor:
        """The indices of at most `num_expected` positive boxes, in no order."""
        positives = torch.nonzero(assign_result.gt_inds > 0).flatten()
        if len(positives) <= num_expected:
            return positives
        positives = positives[torch.randperm(len(positives)).to(positives.device)]
        # Dealt out in turn: the first box of each category, then the second of each, and so on.
        categories = assign_result.labels[positives]
        turn = torch.zeros_like(categories)
        for category in categories.unique():
            is_of = categories == category
            turn[is_of] = torch.arange(int(is_of.sum()), device=turn.device)
        return positives[torch.argsort(turn, stable=True)[:num_expected]]
