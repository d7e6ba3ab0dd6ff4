"""What an evaluation says, whatever evaluator measured it."""

import math

import pytest

from training.model.metrics import detection_metrics
from training.progress.report import MAX_METRICS

ZEROS = {"bbox_mAP": 0.0, "bbox_mAP_50": 0.0, "bbox_mAP_75": 0.0}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, {**ZEROS, "table_mAP": 0.0, "Cell_mAP": 0.0}),
        (
            {"coco/bbox_mAP": 0.5, "coco/bbox_mAP_50": 0.0, "coco/table_precision": 0.25},
            {"bbox_mAP": 0.5, "bbox_mAP_50": 0.0, "table_mAP": 0.25},
        ),
        ({"coco/bbox_mAP": -1.0, "coco/table_precision": 0.0, "coco/Cell_precision": math.nan}, {"table_mAP": 0.0}),
        ({"pascal_voc/mAP": 0.5}, {}),
        (
            {"coco/Cell_mAP": 0.5, "coco/Cell_mAP_50": 0.75, "coco/grits_top": 1.0, "coco/table_recall_75": 0.25},
            {"Cell_mAP": 0.5, "Cell_mAP_50": 0.75, "grits_top": 1.0, "table_recall_75": 0.25},
        ),
    ],
    ids=["nothing detected", "names of mmdet", "no ground truth", "another metric", "ours"],
)
def test_metrics_have_stable_names_and_what_was_not_measured_is_left_out(
    raw: dict[str, float], expected: dict[str, float]
) -> None:
    assert detection_metrics(raw, ("table", "Cell")) == expected


def test_the_most_important_come_first_and_all_of_three_classes_fit_a_report() -> None:
    names = [
        *("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "table_mAP", "table_mAP_50"),
        *("table_precision_50", "table_recall_50", "grits_top", "grits_loc", "table_precision_75", "table_recall_75"),
        *("Cell_mAP", "header_mAP", "Cell_mAP_50", "header_mAP_50"),
    ]
    found = detection_metrics(dict.fromkeys(sorted(names), 0.5), ("table", "Cell", "header"))
    assert list(found) == names
    assert len(names) <= MAX_METRICS
