"""COCO datasets."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.coco import CocoDataset
from training.dataset.coco_lint import lint
from training.errors import DataError
from training.labels.categories import LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

BOXES = st.builds(
    LabelledBox, st.integers(1, 3), st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50)
)
PAGES = st.lists(st.lists(BOXES, max_size=8, unique=True), max_size=8).map(
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
    content = json.loads("".join(dataset.pieces()))
    assert [image["id"] for image in content["images"]] == list(range(first_image, first_image + len(pages)))
    total = sum(dataset.counts().values())
    numbers = [annotation["id"] for annotation in content["annotations"]]
    assert numbers == list(range(first_annotation, first_annotation + total))
    assert [category["id"] for category in content["categories"]] == [1, 2, 3]
    lint(content["images"], content["annotations"])


def test_an_annotation_is_as_coco_annotator_and_pycocotools_read_it() -> None:
    page = LabelledPage("a_0.jpg", 100, 200, PackedBoxes([LabelledBox(2, 10, 20, 30, 40)]))
    content = json.loads("".join(CocoDataset([page]).pieces()))
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
OTHER = {**IMAGE, "id": 2, "file_name": "b.jpg"}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "area": 10000}
FAULTS = [
    ([{**IMAGE, "id": "1"}], [], "The image a.jpg has the id '1'"),
    ([{**IMAGE, "id": True}], [], "The image a.jpg has the id True"),
    ([IMAGE, {**OTHER, "id": 1}], [], "The images a.jpg and b.jpg share the id 1"),
    ([IMAGE, {**IMAGE, "id": 2}], [], "The image a.jpg is listed twice"),
    ([{**IMAGE, "file_name": "c.jpg"}], [], "The image c.jpg is not one of the split's"),
    ([IMAGE], [ANNOTATION, {**ANNOTATION, "category_id": 2}], "Annotation 1 on a.jpg has the id of another one"),
    ([IMAGE], [{**ANNOTATION, "id": 1.0}], "Annotation 1.0 on a.jpg has an id that is no whole number"),
    ([IMAGE], [{**ANNOTATION, "image_id": 2}], "Annotation 1 is on the image 2, which is not listed"),
    ([IMAGE], [{**ANNOTATION, "image_id": [1]}], "Annotation 1 is on the image [1], which is not listed"),
    ([IMAGE], [{**ANNOTATION, "category_id": 4}], "Annotation 1 on a.jpg is of the category 4, which does not exist"),
    ([IMAGE], [{**ANNOTATION, "bbox": [0, 0, 0, 5]}], "Annotation 1 (table) on a.jpg has no area"),
    ([IMAGE], [{**ANNOTATION, "bbox": [0, 0, 5, float("nan")]}], "Annotation 1 (table) on a.jpg has no area"),
    ([IMAGE], [{**ANNOTATION, "area": 0}], "Annotation 1 (table) on a.jpg has no area"),
    ([IMAGE], [{**ANNOTATION, "bbox": [1, 0, 100, 100]}], "its box goes from (1, 0) to (101, 100)"),
    ([IMAGE], [{**ANNOTATION, "bbox": [0, -1, 100, 100]}], "lies outside its image of 100 x 100 pixels"),
    ([IMAGE], [{**ANNOTATION, "bbox": [float("nan"), 0, 100, 100]}], "lies outside its image of 100 x 100 pixels"),
    ([IMAGE], [ANNOTATION, {**ANNOTATION, "id": 2}], "Annotation 2 (table) on a.jpg is there twice"),
]


@pytest.mark.parametrize(("images", "annotations", "words"), FAULTS)
def test_lint_finds_what_would_spoil_training_and_says_whose_fault_it_is(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], words: str
) -> None:
    there = {"a.jpg", "b.jpg"}
    with pytest.raises(DataError) as ours:
        lint(images, annotations, there=there)
    assert words in str(ours.value)
    assert str(ours.value).endswith("; this is a fault of preprocess, please report it.")
    with pytest.raises(DataError) as theirs:
        lint(images, annotations, there=there, edited="s3://b/ttv/train/train.json")
    assert str(theirs.value).startswith("s3://b/ttv/train/train.json: ")
    assert words in str(theirs.value)
    assert str(theirs.value).endswith(", or delete the file and run preprocess again.")


def test_equal_boxes_of_other_classes_or_pages_are_no_fault() -> None:
    annotations = [ANNOTATION, {**ANNOTATION, "id": 2, "category_id": 3}, {**ANNOTATION, "id": 3, "image_id": 2}]
    lint([IMAGE, OTHER], annotations)


@given(st.lists(st.integers(-5, 30), max_size=30))
def test_an_id_is_found_to_be_there_twice_in_any_order(numbers: list[int]) -> None:
    annotations = [{**ANNOTATION, "id": number, "bbox": [0, 0, 1 + n, 1]} for n, number in enumerate(numbers)]
    if len(set(numbers)) == len(numbers):
        lint([IMAGE], annotations)
    else:
        with pytest.raises(DataError, match="has the id of another one"):
            lint([IMAGE], annotations)


def test_lint_takes_no_room_for_a_large_dataset_of_ours() -> None:
    def peak_bytes(pages: int) -> int:
        boxes = PackedBoxes(LabelledBox(2, n, n, 1, 1) for n in range(100))
        page = LabelledPage("", 100, 100, boxes)
        images = [{**IMAGE, "id": n, "file_name": str(n)} for n in range(1, pages + 1)]
        annotations = CocoDataset([page] * pages).annotations()
        tracemalloc.start()
        lint(images, annotations)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    # 190 more pages: their names and ids, but not their 19,000 annotations.
    assert peak_bytes(200) - peak_bytes(10) < 100_000
