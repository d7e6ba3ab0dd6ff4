"""Looks at what is detected in an evaluation, page by page, and keeps the pages with the worst results: no page is
detected twice. Registered in all ranks, since each sees its own share.
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
    """Tells `on_pages` of the split and its worst pages, before others tell of the evaluation."""

    priority = "HIGH"

    def __init__(
        self, annotation_files: Mapping[str, Path], on_pages: Callable[[str, Sequence[JudgedPage]], None]
    ) -> None:
        """`annotation_files`: COCO, by split."""
        self._annotation_files = annotation_files
        self._on_pages = on_pages
        self._truth: dict[str, dict[int, TruePage]] = {}  # by split; read when it is needed
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
        except Exception:  # a network of somebody's own may give something else
            logger.warning("the report of this training will show no pages", exc_info=True)
            self._failed = True
            return
        self._pages = worst([*self._pages, *judged])

    def _tell(self, split: str) -> None:
        shares: list[list[JudgedPage]] = all_gather_object(self._pages)
        self._pages = []
        self._on_pages(split, worst(page for share in shares for page in share))
