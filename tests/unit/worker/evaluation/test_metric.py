"""The evaluator takes mmdetection's results, drops what is no number, and measures what its split is asked for."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.evaluation.pages import CLASSES, dense_page, table_labels
from training.evaluation.metric import TableMetric
from training.evaluation.pages import Detections, read_pages
from training.model.metrics import detection_metrics


def sample(image: int, found: Detections, *, kind: torch.dtype = torch.float32) -> dict[str, Any]:
    """As mmengine's Evaluator hands on what a network returns for a page."""
    rows = torch.from_numpy(found)
    instances = {"bboxes": rows[:, :4].to(kind), "scores": rows[:, 4].to(kind), "labels": rows[:, 5].long()}
    return {"img_id": image, "pred_instances": instances}


@pytest.fixture
def coco_file(tmp_path: Path) -> Path:
    """Two pages; the categories' ids are in another order than the classes, and one is none of them."""
    annotations = [
        {"id": number, "image_id": 1, "category_id": {0: 30, 1: 20, 2: 10}[kind], "bbox": list(box), "iscrowd": 0}
        for number, (kind, box) in enumerate(table_labels(rows=30, columns=5), 1)
    ]
    annotations.append({"id": 1000, "image_id": 2, "category_id": 40, "bbox": [1, 1, 5, 5]})
    names = {10: "header", 20: "Cell", 30: "table", 40: "figure"}
    content = {
        "images": [{"id": image, "file_name": f"d_{image}.jpg", "width": 1000, "height": 2000} for image in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in names.items()],
    }
    path = tmp_path / "test.json"
    path.write_text(json.dumps(content))
    return path


def evaluated(coco_file: Path, *samples: dict[str, Any], grids: bool = False) -> dict[str, float]:
    metric = TableMetric(str(coco_file), grids=grids)
    metric.dataset_meta = {"classes": CLASSES}
    metric.process(None, samples)
    return dict(metric.evaluate(len(samples)))


@pytest.mark.filterwarnings("ignore:TableMetric got empty")
def test_perfect_detections_of_a_dense_page_measure_1_everywhere(coco_file: Path) -> None:
    _, found = dense_page(rows=30, columns=5)
    metrics = evaluated(coco_file, sample(1, found), sample(2, found[:0]), grids=True)
    named = detection_metrics(metrics, CLASSES)
    assert len(named) == len(metrics) == 15
    assert set(named.values()) == {1.0}
    assert "grits_top" not in detection_metrics(evaluated(coco_file, sample(1, found), sample(2, found[:0])), CLASSES)


def test_what_is_no_number_does_not_count_and_half_precision_does(coco_file: Path) -> None:
    _, found = dense_page(rows=30, columns=5)
    broken = np.concatenate([found, found[:2]])
    broken[-1, 0], broken[-2, 4] = np.nan, np.inf
    assert evaluated(coco_file, sample(1, broken))["coco/bbox_mAP"] == 1.0
    assert evaluated(coco_file, sample(1, found, kind=torch.bfloat16))["coco/table_mAP_50"] == 1.0


def test_pages_that_no_result_is_of_count_as_pages_without_detections(coco_file: Path) -> None:
    assert evaluated(coco_file, sample(2, dense_page(rows=2, columns=2)[1]))["coco/bbox_mAP"] == 0.0


def test_a_page_of_a_thousand_boxes_is_a_message_of_24_kilobytes(coco_file: Path) -> None:
    metric = TableMetric(str(coco_file))
    metric.process(None, [sample(1, np.ones((1000, 6), dtype=np.float32))])
    assert len(pickle.dumps(metric.results)) < 25_000


def test_labels_are_read_by_the_names_of_their_categories(coco_file: Path) -> None:
    pages = read_pages(coco_file, CLASSES)
    assert {image: page.file_name for image, page in pages.items()} == {1: "d_1.jpg", 2: "d_2.jpg"}
    assert np.bincount(pages[1].classes).tolist() == [1, 150, 1]
    assert pages[1].corners(0).tolist() == [[20, 20, 520, 620]]
    assert not len(pages[2].boxes)
    assert not pages[1].is_crowd.any()
