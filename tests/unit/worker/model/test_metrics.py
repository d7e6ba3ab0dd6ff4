"""What an evaluation says, whatever CocoMetric gave."""

import math

import pytest

from training.model.metrics import detection_metrics

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
    ],
    ids=["nothing detected", "names of mmdet", "no ground truth", "another metric"],
)
def test_metrics_have_stable_names_and_what_was_not_measured_is_left_out(
    raw: dict[str, float], expected: dict[str, float]
) -> None:
    assert detection_metrics(raw, ("table", "Cell")) == expected
