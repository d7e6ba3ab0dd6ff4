"""How many tables are found, and how many of those found are tables, at the score with which `training.infer` works.

Pure. On each page the detections, the surest first, are matched one-to-one with the labelled tables.
"""

import numpy as np

from training.evaluation.pages import CLASS, SCORE, EvaluatedSplit
from training.labels.categories import CATEGORIES, TABLE
from training.model.detections import WORKING_SCORE
from training.model.matching import match

MIN_IOUS = {"50": 0.5, "75": 0.75}


def table_finding(split: EvaluatedSplit) -> dict[str, float]:
    """`table_precision_50`, `table_recall_50`, `table_precision_75` and `table_recall_75`, within 0..1.

    Precision is the fraction of the found tables that are right, 0 if none is found. The result is empty if the split
    has no class of tables, or no labelled table.
    """
    name = CATEGORIES[TABLE]
    if name not in split.classes:
        return {}
    table = split.classes.index(name)
    labelled = found = 0
    right = dict.fromkeys(MIN_IOUS, 0)
    for image, page in split.pages.items():
        tables = page.corners(table)
        rows = split.detected(image)
        rows = rows[(rows[:, CLASS] == table) & (rows[:, SCORE] >= WORKING_SCORE)]
        boxes = rows[np.argsort(-rows[:, SCORE], kind="stable"), :4].astype(np.float64)
        labelled += len(tables)
        found += len(boxes)
        for suffix, min_iou in MIN_IOUS.items():
            right[suffix] += sum(index is not None for index in match(boxes, tables, min_iou=min_iou))
    if not labelled:
        return {}
    metrics = {}
    for suffix, number in right.items():
        metrics[f"{name}_precision_{suffix}"] = number / found if found else 0.0
        metrics[f"{name}_recall_{suffix}"] = number / labelled
    return metrics
