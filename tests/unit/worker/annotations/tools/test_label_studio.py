"""Label Studio's JSON: what we write is what we read, and what is no box is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotations.tools import label_studio
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box
from training.labels.categories import CATEGORIES, CELL, TABLE, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

PAGE = LabelledPage(
    "a_0.jpg", 992, 1403, PackedBoxes([LabelledBox(TABLE, 10, 20, 300, 99), LabelledBox(CELL, 53, 60, 18, 9)])
)
TABLE_BOX = ToolBox("table", Box(10, 20, 310, 119))
CELL_BOX = ToolBox("Cell", Box(53, 60, 71, 69))


def submitted(*pages: LabelledPage) -> list[dict[str, Any]]:
    """Our tasks after somebody has submitted each as it was."""
    tasks = json.loads(label_studio.tasks(pages, lambda name: f"s3://b/ttv/train/images/{name}"))
    return [{"id": number, **task, "annotations": task["predictions"]} for number, task in enumerate(tasks, 1)]


def minimal(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same as JSON-MIN."""
    sizes = ("original_width", "original_height")
    return [
        {
            **task["data"],
            "id": task["id"],
            "label": [
                {**item["value"], **{size: item[size] for size in sizes}} for item in task["annotations"][0]["result"]
            ],
            "annotator": 1,
            "annotation_id": 7,
        }
        for task in tasks
    ]


def read(tasks: Any) -> list[ToolPage]:
    return label_studio.read(json.dumps(tasks).encode(), "export.json")


def regions(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tasks[0]["annotations"][0]["result"]
    return found


@pytest.mark.parametrize("form", [lambda tasks: tasks, minimal], ids=["JSON", "JSON-MIN"])
def test_tasks_that_were_submitted_unchanged_come_back_in_whole_pixels(form: Callable[[Any], Any]) -> None:
    assert read(form(submitted(PAGE))) == [ToolPage("a_0.jpg", (992, 1403), (TABLE_BOX, CELL_BOX))]


@given(st.data(), st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_box_of_any_page_comes_back_to_the_pixel(data: st.DataObject, width: int, height: int) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = LabelledBox(
        data.draw(st.sampled_from(sorted(CATEGORIES))),
        left,
        top,
        data.draw(st.integers(1, width - left)),
        data.draw(st.integers(1, height - top)),
    )
    ((found,),) = (page.boxes for page in read(submitted(LabelledPage("a_0.jpg", width, height, PackedBoxes([box])))))
    assert LabelledBox.around(box.category, found.box) == box


def test_a_page_without_labels_comes_back_without_a_size() -> None:
    assert read(submitted(LabelledPage("b_1.jpg", 9, 9, PackedBoxes()))) == [ToolPage("b_1.jpg", None, ())]


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": []},
        {"annotations": [{"was_cancelled": True, "result": []}]},
        {"annotations": None},
    ],
)
def test_a_task_that_nobody_has_submitted_is_no_page(change: dict[str, Any]) -> None:
    tasks = submitted(PAGE)
    tasks[0].update(change)
    assert read(tasks) == []


def test_a_task_of_json_min_that_nobody_has_submitted_is_no_page_unless_it_has_regions() -> None:
    assert read([{"image": "a_0.jpg", "id": 1, "annotation_id": None}]) == []
    (task,) = minimal(submitted(PAGE))
    assert read([{**task, "annotation_id": None}])[0].boxes == (TABLE_BOX, CELL_BOX)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"image": "/data/upload/1/41bda93a-a_0.jpg"}, "/data/upload/1/41bda93a-a_0.jpg"),
        ({"page": 3, "scan": "https://h/a.png?x=1", "text": "words"}, "https://h/a.png?x=1"),
    ],
)
def test_the_image_is_what_looks_like_one_where_the_task_is_not_ours(data: dict[str, Any], name: str) -> None:
    tasks = submitted(PAGE)
    tasks[0]["data"] = data
    assert read(tasks)[0].name == name


def test_a_polygon_is_the_box_around_it_and_told_from_a_rectangle() -> None:
    tasks = submitted(PAGE)
    value = {"points": [[10, 10], [20, 10], [15.5, 30]], "polygonlabels": ["Cell"]}
    regions(tasks)[1] = {**regions(tasks)[1], "type": "polygonlabels", "value": value}
    assert read(tasks)[0].boxes[1] == ToolBox("Cell", Box(99.2, 140.3, 198.4, 420.9), is_polygon=True)


def test_a_region_with_a_text_of_its_own_counts_once() -> None:
    tasks = submitted(PAGE)
    place = {key: value for key, value in regions(tasks)[0]["value"].items() if key != "rectanglelabels"}
    for kind, more in (("rectangle", {}), ("textarea", {"text": ["words"]}), ("choices", {"choices": ["odd"]})):
        regions(tasks).append({**regions(tasks)[0], "type": kind, "value": {**place, **more}})
    regions(tasks).append({"type": "relation", "from_id": "label-1", "to_id": "label-2"})
    assert read(tasks)[0].boxes == (TABLE_BOX, CELL_BOX)


def test_versions_of_several_people_are_one_if_they_agree_and_refused_if_not() -> None:
    tasks = submitted(PAGE)
    tasks[0]["annotations"] *= 2
    assert read(tasks)[0].boxes == (TABLE_BOX, CELL_BOX)
    tasks[0]["annotations"][1] = {"result": regions(tasks)[:1]}
    with pytest.raises(DataError, match=r"task 1 \(a_0.jpg\) has 2 annotations that differ; delete all but the right"):
        read(tasks)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": {"rotation": 12.5}}, r"label-2 \(Cell\) at \(53, 60\) is turned by 12.5 degrees"),
        ({"image_rotation": 90}, r"label-2 \(Cell\) at \(53, 60\) is turned by 90 degrees"),
        ({"value": {"rectanglelabels": []}}, "the region label-2 has no label"),
        ({"value": {"brushlabels": ["Cell"], "rectanglelabels": []}}, "is no box .brushlabels."),
        ({"value": {"ellipselabels": ["Cell"], "rectanglelabels": []}}, "is no box .ellipselabels."),
        ({"original_width": None}, "states no size of its image"),
        ({"original_width": 991}, "has images of several sizes"),
        ({"value": {"x": "9"}}, r"label-2 \(Cell\) has no coordinates"),
        ({"value": {"x": float("nan")}}, "has no coordinates"),
        ({"value": {"x": 10**400}}, "has no coordinates"),
        ({"value": {"points": [[1, 2], [3]]}}, "has no coordinates"),
        ({"value": {"points": []}}, "has no coordinates"),
    ],
)
def test_what_is_no_box_is_refused_with_its_page_and_region(change: dict[str, Any], words: str) -> None:
    tasks = submitted(PAGE)
    region = regions(tasks)[1]
    regions(tasks)[1] = {**region, **change, "value": {**region["value"], **change.get("value", {})}}
    with pytest.raises(DataError, match=rf"export\.json: task 1 \(a_0\.jpg\).*{words}"):
        read(tasks)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'[{"id": 1, "data": {}}]', b"[" * 100_000])
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"export\.json.*export it( again, )? ?as JSON"):
        label_studio.read(data, "export.json")
