"""Assigns labels to anchors in memory that does not grow with the number of labels.

mmdetection's MaxIoUAssigner compares all labels with all anchors at once. On an A4 page with a short side of 800 pixels
that takes 18.7 MiB a label, and a page can hold hundreds of cells.
"""

from typing import Any

import torch
from mmdet.models.task_modules import AssignResult, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from torch import Tensor

MAX_PAIRS = 1 << 22  # of a label and an anchor, compared at once; each takes 36 bytes


@TASK_UTILS.register_module()
class ChunkedMaxIoUAssigner(MaxIoUAssigner):
    """MaxIoUAssigner, which compares at most `max_pairs` pairs of a label and an anchor at once. Its results are the
    same bit for bit.

    It takes the same settings, but never moves to the CPU as MaxIoUAssigner does beyond `gpu_assign_thr` labels: that
    would save memory which this one does not need.
    """

    def __init__(self, *args: Any, max_pairs: int = MAX_PAIRS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_pairs = max_pairs

    def assign(
        self, pred_instances: Any, gt_instances: Any, gt_instances_ignore: Any = None, **kwargs: Any
    ) -> AssignResult:
        """Assign labels (`gt_instances`) to anchors or proposals (`pred_instances.priors`); see MaxIoUAssigner."""
        priors, boxes = pred_instances.priors, gt_instances.bboxes
        few_enough = len(boxes) * len(priors) <= self.max_pairs
        if few_enough or self.perm_repeat_gt_cfg is not None:
            return super().assign(pred_instances, gt_instances, gt_instances_ignore, **kwargs)
        ignored = self._ignored(priors, gt_instances_ignore)
        best = priors.new_full((len(priors),), float("-inf"))  # the largest overlap of each anchor so far
        best_label = torch.zeros(len(priors), dtype=torch.long, device=priors.device)  # whose it is, counted from 1
        low_quality = torch.zeros_like(best_label)  # the last label that has its own largest overlap here, from 1
        for start, chunk in self._chunks(boxes, len(priors)):
            overlaps = self.iou_calculator(chunk, priors)
            if ignored is not None:
                overlaps[:, ignored] = -1
            largest, label = overlaps.max(dim=0)
            is_better = largest > best  # of equal overlaps the first counts
            best = torch.where(is_better, largest, best)
            best_label = torch.where(is_better, label + (start + 1), best_label)
            if self.match_low_quality:
                rows, anchors = self._best_anchors(overlaps)
                low_quality.scatter_reduce_(0, anchors, rows + (start + 1), "amax")
        assigned = torch.full_like(best_label, -1)
        low, high = self.neg_iou_thr if isinstance(self.neg_iou_thr, tuple) else (0, self.neg_iou_thr)
        assigned[(best >= low) & (best < high)] = 0
        assigned = torch.where(best >= self.pos_iou_thr, best_label, assigned)
        assigned = torch.where(low_quality > 0, low_quality, assigned)
        labels = torch.where(assigned > 0, gt_instances.labels[(assigned - 1).clamp(min=0)], -1)
        return AssignResult(num_gts=len(boxes), gt_inds=assigned, max_overlaps=best, labels=labels)

    def _chunks(self, boxes: Tensor, priors: int) -> Any:
        size = max(1, self.max_pairs // priors)
        return ((start, boxes[start : start + size]) for start in range(0, len(boxes), size))

    def _best_anchors(self, overlaps: Tensor) -> tuple[Tensor, Tensor]:
        """The anchors that overlap most with each label, as pairs of the label's row and the anchor."""
        largest, anchor = overlaps.max(dim=1)
        is_matched = largest >= self.min_pos_iou
        if self.gt_max_assign_all:
            rows, anchors = torch.nonzero((overlaps == largest[:, None]) & is_matched[:, None], as_tuple=True)
            return rows, anchors
        return torch.nonzero(is_matched).squeeze(1), anchor[is_matched]

    def _ignored(self, priors: Tensor, gt_instances_ignore: Any) -> Tensor | None:
        """Which anchors lie in regions to ignore; None if there are none."""
        if gt_instances_ignore is None or self.ignore_iof_thr <= 0 or len(gt_instances_ignore.bboxes) == 0:
            return None
        largest = priors.new_full((len(priors),), float("-inf"))
        for _, chunk in self._chunks(gt_instances_ignore.bboxes, len(priors)):
            if self.ignore_wrt_candidates:
                found = self.iou_calculator(priors, chunk, mode="iof").max(dim=1).values
            else:
                found = self.iou_calculator(chunk, priors, mode="iof").max(dim=0).values
            largest = torch.maximum(largest, found)
        is_ignored: Tensor = largest > self.ignore_iof_thr
        return is_ignored
