"""The evaluator of a training, in place of mmdet's CocoMetric. Importing this registers it with mmengine."""

# ruff: noqa: ARG002  mmengine passes all arguments, by name

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric

from training.evaluation.average_precision import average_precisions
from training.evaluation.documents import DocumentScores, score_documents
from training.evaluation.pages import Detections, EvaluatedSplit, PageTruth, read_pages
from training.evaluation.table_finding import table_finding

logger = logging.getLogger(__name__)


@METRICS.register_module()
class TableMetric(BaseMetric):
    """Average precision, the finding of tables and, if asked for, the documents' grids, by the names of
    `training.model.metrics`.

    Each rank keeps the detections on its pages as arrays; the main rank gets all and computes.
    """

    default_prefix = "coco"

    def __init__(self, ann_file: str, *, grids: bool = False, collect_device: str = "cpu") -> None:
        """`ann_file`: the split's COCO file. `grids`: whether to compare grids, which takes up to half a minute."""
        super().__init__(collect_device=collect_device)
        self.documents = DocumentScores(scores=())  # of the last evaluation, in the main rank
        self._ann_file = Path(ann_file)
        self._grids = grids
        self._pages: dict[int, PageTruth] = {}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keep the detections of a batch."""
        self.results += [(int(sample["img_id"]), _as_array(sample["pred_instances"])) for sample in data_samples]

    def compute_metrics(self, results: list[tuple[int, Detections]]) -> dict[str, float]:
        """The metrics of all ranks' results. Called in the main rank only."""
        classes = tuple((self.dataset_meta or {})["classes"])
        if not self._pages:
            self._pages = read_pages(self._ann_file, classes)
        split = EvaluatedSplit(classes=classes, pages=self._pages, detections=dict(results))
        metrics = average_precisions(split) | table_finding(split)
        if self._grids:
            self.documents = score_documents(split)
            metrics |= self.documents.metrics()
            if self.documents.left_out:
                logger.warning(
                    "GriTS is of %d documents; %d were left out, which are too large or too many to be compared in "
                    "half a minute",
                    len(self.documents.scores),
                    self.documents.left_out,
                )
        return metrics


def _as_array(instances: Mapping[str, torch.Tensor]) -> Detections:
    """mmdetection's result for a page: `bboxes` (N, 4) in pixels, `scores` (N,) and `labels` (N,). A detection with a
    value that is not finite is left out.
    """
    columns = instances["bboxes"], instances["scores"][:, None], instances["labels"][:, None]
    rows: Detections = torch.cat([column.detach().float().cpu() for column in columns], dim=1).numpy()
    return rows[np.isfinite(rows).all(axis=1)]
