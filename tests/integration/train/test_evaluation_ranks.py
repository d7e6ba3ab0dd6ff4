"""Two ranks, each with its share of the pages, measure what one rank measures with all of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank

from tests.support.evaluation.pages import CLASSES, detections, table_labels
from training.evaluation.metric import TableMetric
from training.evaluation.pages import Detections
from training.train.distributed.collectives import join, meeting_point
from training.train.distributed.topology import Topology

pytestmark = pytest.mark.integration
PAGES = 5  # an odd number: one rank is given a page twice, as mmengine's sampler does
DEADLINE_S = 120.0


def found_on(page: int) -> Detections:
    """Some of the page's labels, a little off, and one that is wrong."""
    rng = np.random.default_rng(page)
    rows = [
        (left + rng.normal(0, 2), top + rng.normal(0, 2), left + width, top + height, rng.uniform(0.2, 1), kind)
        for kind, (left, top, width, height) in table_labels(rows=4 + page, columns=3)
        if rng.random() < 0.8
    ]
    return detections(*rows, (500, 1500, 600, 1600, 0.9, 0))


def write_truth(path: Path) -> None:
    annotations = [
        {"image_id": page, "category_id": kind + 1, "bbox": list(box)}
        for page in range(PAGES)
        for kind, box in table_labels(rows=4 + page, columns=3)
    ]
    content = {
        "images": [{"id": page, "file_name": f"d_{page}.jpg", "width": 1000, "height": 2000} for page in range(PAGES)],
        "annotations": [{"id": number, **annotation} for number, annotation in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)],
    }
    path.write_text(json.dumps(content))


def measure(truth: Path, *, ranks: int) -> dict[str, float]:
    metric = TableMetric(str(truth), grids=True, collect_device="gpu" if ranks > 1 else "cpu")
    metric.dataset_meta = {"classes": CLASSES}
    share = range(get_rank(), get_rank() + -(-PAGES // ranks) * ranks, ranks)
    for page in share:
        rows = torch.from_numpy(found_on(page % PAGES))
        instances = {"bboxes": rows[:, :4], "scores": rows[:, 4], "labels": rows[:, 5].long()}
        metric.process(None, [{"img_id": page % PAGES, "pred_instances": instances}])
    return dict(metric.evaluate(PAGES))


def one_of_two(topology: Topology, truth: Path, result: Path) -> None:
    join(topology, meeting_point(topology), has_gpu=False)
    result.write_text(json.dumps(measure(truth, ranks=2)))
    os._exit(0)  # gloo's threads may outlive the interpreter


def test_two_ranks_measure_what_one_does(tmp_path: Path) -> None:
    truth = tmp_path / "test.json"
    write_truth(truth)
    expected = measure(truth, ranks=1)
    assert len(expected) == 15
    assert all(0 < value < 1 for value in expected.values()), expected

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = [tmp_path / f"{rank}.json" for rank in range(2)]
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=one_of_two, args=(Topology(processes=2, process=rank, port=port), truth, result))
        for rank, result in enumerate(results)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(DEADLINE_S)
        process.kill()
    assert [json.loads(result.read_text()) for result in results] == [expected, expected]
