"""COCO data sets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotate import LabelledBox
from training.coco import CocoDataset, LabelledPage, PackedBoxes, lint
from training.errors import DataError

BOXES = st.builds(
    LabelledBox, st.integers(1, 3), st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50)
)
PAGES = st.lists(st.lists(BOXES, max_size=8), max_size=8).map(
    lambda pages: [LabelledPage(f"{n}.jpg", 100, 100, PackedBoxes(boxes)) for n, boxes in enumerate(pages)]
)


@given(st.lists(BOXES))
def test_packed_boxes_come_out_as_they_went_in(boxes: list[LabelledBox]) -> None:
    packed = PackedBoxes(boxes)
    assert list(packed) == boxes
    assert len(packed) == len(boxes)


@given(PAGES, st.integers(1, 1000), st.integers(1, 10**9))
def test_the_text_is_json_whose_ids_are_unique_integers_in_order(
    pages: list[LabelledPage], first_image: int, first_annotation: int
) -> None:
    dataset = CocoDataset(pages, first_image, first_annotation)
    content = json.loads("".join(dataset.chunks()))
    assert [image["id"] for image in content["images"]] == list(range(first_image, first_image + len(pages)))
    total = sum(dataset.counts().values())
    numbers = [annotation["id"] for annotation in content["annotations"]]
    assert numbers == list(range(first_annotation, first_annotation + total))
    assert [category["id"] for category in content["categories"]] == [1, 2, 3]
    lint(content["images"], content["annotations"])


def test_an_annotation_is_as_coco_annotator_and_pycocotools_read_it() -> None:
    page = LabelledPage("a_0.jpg", 100, 200, PackedBoxes([LabelledBox(2, 10, 20, 30, 40)]))
    content = json.loads("".join(CocoDataset([page]).chunks()))
    assert content["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "bbox": [10, 20, 30, 40],
            "area": 1200,
            "iscrowd": 0,
            "isbbox": True,
            "segmentation": [[10, 20, 40, 20, 40, 60, 10, 60]],
        }
    ]
    assert [(item["name"], item["color"]) for item in content["categories"]] == [
        ("table", "#ef703f"),
        ("Cell", "#38fb5c"),
        ("header", "#e17282"),
    ]


IMAGE = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "area": 10000}


@pytest.mark.parametrize(
    ("images", "annotations", "words"),
    [
        ([IMAGE, {**IMAGE, "file_name": "b.jpg"}], [], "share the id"),
        ([IMAGE, {**IMAGE, "id": 2}], [], "or the name"),
        ([IMAGE], [ANNOTATION, ANNOTATION], "share the id"),
        ([IMAGE], [{**ANNOTATION, "image_id": 2}], "does not exist"),
        ([IMAGE], [{**ANNOTATION, "category_id": 4}], "does not exist"),
        ([IMAGE], [{**ANNOTATION, "bbox": [0, 0, 0, 5]}], "no area"),
        ([IMAGE], [{**ANNOTATION, "bbox": [1, 0, 100, 100]}], "outside"),
        ([IMAGE], [{**ANNOTATION, "bbox": [0, -1, 100, 100]}], "outside"),
    ],
)
def test_lint_finds_what_would_spoil_training(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], words: str
) -> None:
    lint([IMAGE], [ANNOTATION])
    with pytest.raises(DataError, match=words):
        lint(images, annotations)
