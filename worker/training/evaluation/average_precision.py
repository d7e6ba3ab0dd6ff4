"""COCO's average precision, by faster-coco-eval: what pycocotools computes, in C++ and with bounded memory.

https://cocodataset.org/#detection-eval. Other than COCO's own summary, it counts up to MAX_BOXES boxes of a class on a
page instead of 100: a page of tables holds hundreds of cells.
"""

import copy
from collections.abc import Sequence
from itertools import count

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from training.evaluation.pages import CLASS, SCORE, Detections, EvaluatedSplit, PageTruth

MAX_BOXES = 1000
PAGES_AT_ONCE = 8  # a page with 300 labels and 1,000 boxes takes 5 MB while it is matched, and 0.2 MB afterwards
AT_50, AT_75 = 0, 5  # indices of the IoU thresholds .50, .55, …, .95


def average_precisions(split: EvaluatedSplit) -> dict[str, float]:
    """`bbox_mAP`, `bbox_mAP_50`, `bbox_mAP_75`, and `<class>_mAP` and `<class>_mAP_50` of each class, within 0..1.

    `bbox_mAP` is the mean over the IoU thresholds and over the classes that have labels. A class without labels is left
    out; if none has any, the result is empty.
    """
    by_class = {
        name: values for name, values in zip(split.classes, _precisions(split), strict=True) if values is not None
    }
    if not by_class:
        return {}
    mean = np.mean(list(by_class.values()), axis=0)
    found = {"bbox_mAP": mean.mean(), "bbox_mAP_50": mean[AT_50], "bbox_mAP_75": mean[AT_75]}
    for name, values in by_class.items():
        found |= {f"{name}_mAP": values.mean(), f"{name}_mAP_50": values[AT_50]}
    return {name: float(value) for name, value in found.items()}


def _precisions(split: EvaluatedSplit) -> list[NDArray[np.float64] | None]:
    """The average precision of each class at each of the ten IoU thresholds, or None for a class without labels."""
    images = sorted(split.pages)
    matches = []
    for start in range(0, len(images), PAGES_AT_ONCE):
        some = images[start : start + PAGES_AT_ONCE]
        evaluator = _evaluator(split, some)
        evaluator.evaluate()
        found = np.empty(len(evaluator._evalImgs_cpp), dtype=object)
        found[:] = evaluator._evalImgs_cpp
        matches.append(found.reshape(len(split.classes), len(some)))
    if not matches:
        return [None] * len(split.classes)
    # As faster_coco_eval's own evaluator for several processes puts together what was matched in parts.
    evaluator._evalImgs_cpp = list(np.concatenate(matches, axis=1).reshape(-1))
    evaluator.params.imgIds = images
    evaluator._paramsEval = copy.deepcopy(evaluator.params)
    evaluator.accumulate()
    # (IoU thresholds, recall thresholds, classes, areas, box limits); -1 where there are no labels
    precision = np.moveaxis(evaluator.eval["precision"][:, :, :, 0, 0], 2, 0)
    return [None if values.max() < 0 else values.mean(axis=1) for values in precision]


def _evaluator(split: EvaluatedSplit, images: Sequence[int]) -> COCOeval_faster:
    """An evaluator of some pages, which are named by their image ids."""
    ids = count(1)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image} for image in images],
        "categories": [{"id": index} for index in range(len(split.classes))],
        "annotations": [{**label, "id": next(ids)} for image in images for label in _labels(image, split.pages[image])],
    }
    truth.createIndex()
    detections = [found for image in images for found in _results(image, split.detected(image))]
    evaluator = COCOeval_faster(
        truth, truth.loadRes(detections), "bbox", print_function=lambda *_: None, separate_eval=True
    )
    evaluator.params.maxDets = [MAX_BOXES]
    evaluator.params.areaRng, evaluator.params.areaRngLbl = evaluator.params.areaRng[:1], ["all"]
    return evaluator


def _labels(image: int, page: PageTruth) -> list[dict[str, object]]:
    return [
        {"image_id": image, "category_id": number, "bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd)}
        for box, number, crowd in zip(page.boxes.tolist(), page.classes.tolist(), page.is_crowd.tolist(), strict=True)
    ]


def _results(image: int, detections: Detections) -> list[dict[str, object]]:
    rows = detections.astype(np.float64)
    rows[:, 2:4] -= rows[:, :2]
    return [
        {"image_id": image, "category_id": int(row[CLASS]), "score": row[SCORE], "bbox": row[:4], "segmentation": None}
        for row in rows.tolist()
    ]
