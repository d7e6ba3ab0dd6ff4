"""Which pages a model does worst on, and how they are drawn."""

import io
import json
import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.train.judged import CELL_BOX, OTHER_CELL, TABLE_BOX, judged_page
from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE
from training.model.detections import Detection
from training.model.worst_pages import JudgedPage, TruePage, judge, read_truth, worst
from training.reports.worst_pages import LONG_SIDE, draw_judged
from training.train.hooks.worst_pages import WorstPagesHook


def page(*boxes: tuple[int, Box], name: str = "a_0.jpg") -> TruePage:
    return TruePage(file_name=name, width=200, height=300, boxes=list(boxes))


def test_a_detection_is_right_where_it_meets_a_label_of_its_class_once() -> None:
    truth = page((TABLE, TABLE_BOX), (CELL, CELL_BOX), (CELL, OTHER_CELL))
    found = [
        Detection(TABLE, 0.9, TABLE_BOX.shifted(10, 0)),  # IoU .82
        Detection(CELL, 0.8, CELL_BOX),
        Detection(CELL, 0.7, CELL_BOX.shifted(1, 0)),  # again
        Detection(TABLE, 0.6, OTHER_CELL),  # of another class
        Detection(CELL, 0.29, OTHER_CELL),  # not sure enough
        Detection(HEADER, 0.9, CELL_BOX),
    ]
    judged = judge(truth, found)
    assert judged.found == [TABLE_BOX, CELL_BOX]
    assert judged.missed == [OTHER_CELL]
    assert judged.right == [found[0].box, CELL_BOX]
    assert sorted(judged.wrong) == sorted([found[2].box, OTHER_CELL])
    assert judged.f1 == 2 * 2 / (2 * 2 + 2 + 1)


def test_a_page_without_anything_is_perfect_and_one_of_false_alarms_is_not() -> None:
    assert judge(page(), []).f1 == 1.0
    assert judge(page(), [Detection(TABLE, 0.9, TABLE_BOX)]).f1 == 0.0
    assert judge(page((TABLE, TABLE_BOX)), []).f1 == 0.0


BOXES = st.tuples(st.sampled_from((TABLE, CELL)), st.integers(0, 90), st.integers(0, 90), st.integers(1, 40)).map(
    lambda item: (item[0], Box(item[1], item[2], item[1] + item[3], item[2] + item[3]))
)


@given(st.lists(BOXES, max_size=8), st.lists(st.tuples(BOXES, st.floats(0, 1)), max_size=8), st.integers())
def test_every_box_is_counted_once_and_their_order_does_not_matter(
    labels: list[tuple[int, Box]], detected: list[tuple[tuple[int, Box], float]], seed: int
) -> None:
    found = [Detection(category, score, box) for (category, box), score in detected]
    judged = judge(page(*labels), found)
    assert len(judged.found) == len(judged.right)
    assert sorted([*judged.found, *judged.missed]) == sorted(box for _, box in labels)
    assert sorted([*judged.right, *judged.wrong]) == sorted(item.box for item in found if item.score >= 0.3)
    random.Random(seed).shuffle(found)
    assert judge(page(*labels), found) == judged
    assert judge(page(*labels), [Detection(category, 1.0, box) for category, box in labels]).missed == []


def test_boxes_that_are_no_numbers_or_turned_inside_out_do_no_harm() -> None:
    odd = [Box(math.nan, 0, 1, 1), Box(0, 0, math.inf, 1), Box(50, 50, 10, 10)]
    judged = judge(page((TABLE, TABLE_BOX)), [Detection(TABLE, 0.9, box) for box in odd])
    assert judged.wrong == [odd[2]]


def test_the_worst_come_first_each_once_without_the_perfect_ones() -> None:
    pages = [
        judged_page("perfect", right=3, missed=0),
        judged_page("half", right=1, missed=2),
        judged_page("few", right=0, missed=1),
        judged_page("many", right=0, missed=4),
        judged_page("many", right=0, missed=4),
    ]
    assert [item.file_name for item in worst(pages)] == ["many", "few", "half"]
    assert [item.file_name for item in worst(pages, 1)] == ["many"]


def coco_file(path: Path) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a_0.jpg", "width": 200, "height": 300}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": TABLE, "bbox": [10, 10, 100, 100]},
            {"id": 2, "image_id": 7, "category_id": HEADER, "bbox": [10, 10, 100, 10]},
        ],
    }
    path.write_text(json.dumps(content))
    return path


def sample(*boxes: tuple[float, ...], img_id: int = 7) -> Any:
    instances = SimpleNamespace(
        bboxes=torch.tensor(boxes).reshape(-1, 4), scores=torch.full((len(boxes),), 0.9), labels=torch.zeros(len(boxes))
    )
    instances.labels = instances.labels.long()
    return SimpleNamespace(img_id=img_id, pred_instances=instances)


def test_the_hook_tells_of_each_evaluation_by_itself(tmp_path: Path) -> None:
    file = coco_file(tmp_path / "coco.json")
    assert read_truth(file) == {7: page((TABLE, TABLE_BOX))}
    told: list[tuple[str, list[str]]] = []
    hook = WorstPagesHook(
        {"val": file, "test": file}, lambda split, pages: told.append((split, [item.file_name for item in pages]))
    )
    hook.after_val_iter(None, 0, outputs=[sample()])
    hook.after_val_epoch(None)
    hook.after_test_iter(None, 0, outputs=[sample((10, 10, 110, 110))])
    hook.after_test_epoch(None)
    hook.after_test_epoch(None)
    assert told == [("val", ["a_0.jpg"]), ("test", []), ("test", [])]


def test_a_network_that_gives_something_else_costs_the_pages_and_no_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    hook = WorstPagesHook({"val": coco_file(tmp_path / "coco.json")}, lambda _, pages: told.append(len(pages)))
    for _ in range(2):
        hook.after_val_iter(None, 0, outputs=[{"masks": 1}])
    hook.after_val_epoch(None)
    assert told == [0]
    assert [record.message for record in caplog.records] == ["the report of this training will show no pages"]


@pytest.mark.parametrize("size", [(1200, 1800), (90, 60)])
def test_a_picture_is_small_and_shows_what_was_missed(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    Image.new("RGB", size, "white").save(tmp_path / "page.png")
    whole = Box(0, 0, width, height)
    judged = JudgedPage(
        file_name="page.png",
        width=width,
        height=height,
        found=[],
        missed=[whole.scaled(0.5, 1)],
        right=[],
        wrong=[Box(width, height, 0, 0), whole.shifted(width, 0)],
    )
    with Image.open(io.BytesIO(draw_judged(tmp_path / "page.png", judged))) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) == min(LONG_SIDE, max(size))
        red, _, blue = picture.convert("RGB").getpixel((picture.width // 4, picture.height // 2))  # type: ignore[misc]
        assert red > 200 > blue
        assert min(picture.convert("RGB").getpixel((picture.width * 3 // 4, picture.height // 2))) > 240  # type: ignore[arg-type,type-var]
