"""Average precision is that of pycocotools, and counts every box of a dense page."""

import contextlib
import io
from collections.abc import Mapping

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.support.evaluation.pages import CLASSES, dense_page, detections, perfect, split_of, true_page
from training.evaluation.average_precision import MAX_BOXES, average_precisions
from training.evaluation.pages import Detections, EvaluatedSplit, PageTruth


def by_pycocotools(split: EvaluatedSplit) -> dict[str, float]:
    """The same metrics by the reference; a class without labels is left out."""
    truth, found = COCO(), []
    annotations: list[dict[str, object]] = []
    for image, page in split.pages.items():
        for box, number, crowd in zip(page.boxes.tolist(), page.classes.tolist(), page.is_crowd.tolist(), strict=True):
            label = {"image_id": image, "category_id": number, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            annotations.append({**label, "id": len(annotations) + 1})
        for left, top, right, bottom, score, number in split.detected(image).tolist():
            box = [left, top, right - left, bottom - top]
            found.append({"image_id": image, "category_id": int(number), "score": score, "bbox": box})
    truth.dataset = {
        "images": [{"id": image} for image in split.pages],
        "categories": [{"id": number} for number in range(len(split.classes))],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluator.params.maxDets = [1, 10, MAX_BOXES]
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    labelled = {name: precision[:, :, number] for number, name in enumerate(split.classes)}
    labelled = {name: values for name, values in labelled.items() if values.max() >= 0}
    mean = np.mean(list(labelled.values()), axis=0)
    expected = {"bbox_mAP": mean.mean(), "bbox_mAP_50": mean[0].mean(), "bbox_mAP_75": mean[5].mean()}
    for name, values in labelled.items():
        expected |= {f"{name}_mAP": values.mean(), f"{name}_mAP_50": values[0].mean()}
    return expected


def random_split(seed: int, *, pages: int, labels: int, boxes: int) -> EvaluatedSplit:
    """Labels of all classes, some of them crowds; detections beside them, with ties among their scores."""
    rng = np.random.default_rng(seed)
    truth: dict[int, PageTruth] = {}
    found: dict[int, Detections] = {}
    for image in range(1, pages + 1):
        xywh = np.concatenate([rng.integers(0, 900, (labels, 2)), rng.integers(1, 120, (labels, 2))], axis=1)
        numbers = rng.integers(0, len(CLASSES), labels)
        truth[image] = true_page(
            *zip(numbers.tolist(), xywh.tolist(), strict=True), crowds=rng.random(labels) < 0.05, name=f"d_{image}.jpg"
        )
        near = xywh[rng.integers(0, max(labels, 1), boxes)] if labels else rng.integers(1, 300, (boxes, 4))
        corners = np.concatenate([near[:, :2], near[:, :2] + near[:, 2:]], axis=1) + rng.normal(0, 4, (boxes, 4))
        scores = rng.integers(0, 50, boxes) / 50
        found[image] = np.column_stack([corners, scores, rng.integers(0, len(CLASSES), boxes)]).astype(np.float32)
    return split_of(truth, found)


TABLE_AT = (0, [10, 10, 200, 100])
EDGE_CASES: Mapping[str, EvaluatedSplit] = {
    "a class without labels": split_of({1: true_page(TABLE_AT)}, {1: detections((10, 10, 210, 110, 0.9, 1))}),
    "a page without labels": split_of(
        {1: true_page(TABLE_AT), 2: true_page()}, {2: detections((1, 1, 50, 50, 0.9, 0)), 1: perfect(TABLE_AT)}
    ),
    "a page without detections": split_of({1: true_page(TABLE_AT), 2: true_page(TABLE_AT)}, {1: perfect(TABLE_AT)}),
    "one label found twice": split_of(
        {1: true_page(TABLE_AT)}, {1: detections((10, 10, 210, 110, 0.5, 0), (11, 11, 211, 111, 0.5, 0))}
    ),
    "a crowd found in parts": split_of(
        {1: true_page(TABLE_AT, (0, [300, 300, 200, 200]), crowds=[False, True])},
        {1: detections((300, 300, 350, 350, 0.9, 0), (360, 360, 400, 400, 0.8, 0), (10, 10, 205, 110, 0.7, 0))},
    ),
    "a box without area": split_of({1: true_page(TABLE_AT)}, {1: detections((10, 10, 10, 110, 0.9, 0))}),
    "more boxes than are counted": split_of(
        {1: true_page(TABLE_AT)},
        {1: detections(*((500, 500, 550, 550, 0.9, 0) for _ in range(MAX_BOXES)), (10, 10, 210, 110, 0.1, 0))},
    ),
}


@pytest.mark.parametrize("case", EDGE_CASES)
def test_edge_cases_are_as_pycocotools_has_them(case: str) -> None:
    split = EDGE_CASES[case]
    assert average_precisions(split) == pytest.approx(by_pycocotools(split), abs=1e-6)


@pytest.mark.parametrize(
    ("seed", "pages", "labels", "boxes"),
    [(0, 19, 12, 30), (1, 8, 40, 60), (2, 2, 150, 260), (3, 17, 1, 1), (4, 3, 0, 5)],
)
def test_random_boxes_have_the_precision_of_pycocotools(seed: int, pages: int, labels: int, boxes: int) -> None:
    split = random_split(seed, pages=pages, labels=labels, boxes=boxes)
    if labels:
        assert average_precisions(split) == pytest.approx(by_pycocotools(split), abs=1e-6)
    else:
        assert average_precisions(split) == {}


def test_perfect_detections_on_a_dense_page_have_a_precision_of_1() -> None:
    page, found = dense_page(rows=60, columns=5)
    metrics = average_precisions(split_of({7: page}, {7: found}))
    assert set(metrics) == {
        *("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "table_mAP", "table_mAP_50", "Cell_mAP", "Cell_mAP_50"),
        *("header_mAP", "header_mAP_50"),
    }
    assert set(metrics.values()) == {1.0}


def test_nothing_detected_is_0_and_nothing_labelled_is_not_measured() -> None:
    found = average_precisions(split_of({1: true_page(TABLE_AT)}, {}))
    assert found == {"bbox_mAP": 0.0, "bbox_mAP_50": 0.0, "bbox_mAP_75": 0.0, "table_mAP": 0.0, "table_mAP_50": 0.0}
    assert average_precisions(split_of({1: true_page()}, {1: perfect(TABLE_AT)})) == {}
    assert average_precisions(split_of({}, {})) == {}
