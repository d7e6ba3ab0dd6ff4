"""Finds the worst pages of a split while an evaluation runs, so that no page must be detected again for the report.

Registered in all ranks, since each evaluates its own share of the pages.
"""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook

from training.model.detections import from_mmdetection
from training.model.worst_pages import JudgedPage, TruePage, judge, read_truth, worst

logger = logging.getLogger(__name__)


class WorstPagesHook(Hook):
    """Calls `on_pages` with the split and its worst pages, before MetricsHook records the evaluation."""

    priority = "HIGH"

    def __init__(
        self, annotation_files: Mapping[str, Path], on_pages: Callable[[str, Sequence[JudgedPage]], None]
    ) -> None:
        """`annotation_files`: the COCO files by split."""
        self._annotation_files = annotation_files
        self._on_pages = on_pages
        self._truth: dict[str, dict[int, TruePage]] = {}  # by split and image id; each split is read when first needed
        self._pages: list[JudgedPage] = []
        self._failed = False

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._look("val", outputs)

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._look("test", outputs)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        self._tell("val")

    def after_test_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        self._tell("test")

    def _look(self, split: str, outputs: Any) -> None:
        if self._failed:
            return
        try:
            if split not in self._truth:
                self._truth[split] = read_truth(self._annotation_files[split])
            judged = [
                judge(self._truth[split][sample.img_id], from_mmdetection(sample.pred_instances))
                for sample in outputs or ()
            ]
        except Exception:  # a network of a user's config may return something else
            logger.warning("the report of this training will show no pages", exc_info=True)
            self._failed = True
            return
        self._pages = worst([*self._pages, *judged])

    def _tell(self, split: str) -> None:
        shares: list[list[JudgedPage]] = all_gather_object(self._pages)
        self._pages = []
        self._on_pages(split, worst(page for share in shares for page in share))
