"""COCO files that people edited."""

import copy
import json
import random
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.coco_annotator import CocoAnnotator
from training.dataset.coco import CocoDataset
from training.dataset.edited import EditedSplit, read_edited_split
from training.errors import DataError
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

FORMS = ["NFC", "NFD", "NFKC", "NFKD"]
WHERE = "s3://b/ttv/train/train.json"
SIZES = {"a_0.jpg": (200, 100), "a_10.jpg": (100, 200), "a_2.jpg": (100, 100)}
PAGES = (
    LabelledPage(
        "a_0.jpg", 200, 100, PackedBoxes([LabelledBox(TABLE, 10, 10, 180, 80), LabelledBox(CELL, 20, 20, 30, 9)])
    ),
    LabelledPage("a_10.jpg", 100, 200, PackedBoxes([LabelledBox(TABLE, 0, 0, 100, 200)])),
    LabelledPage("a_2.jpg", 100, 100, PackedBoxes([LabelledBox(CELL, 5, 6, 7, 8), LabelledBox(HEADER, 5, 6, 7, 8)])),
)


def our_file() -> dict[str, Any]:
    return dict(json.loads("".join(CocoDataset(PAGES, 40, 100).pieces())))


def read(content: Any) -> EditedSplit:
    return read_edited_split(json.dumps(content).encode(), WHERE, SIZES)


def annotator() -> CocoAnnotator:
    tool = CocoAnnotator(SIZES)
    assert tool.import_file(our_file()) == 0, "COCO Annotator takes every annotation of our file"
    return tool


@pytest.mark.parametrize("as_download", [False, True])
def test_what_coco_annotator_exports_unchanged_is_what_preprocess_made(as_download: bool) -> None:
    exported = annotator().export(as_download=as_download)
    assert exported["images"][0]["id"] not in (40, 41, 42)
    assert read(exported) == EditedSplit(PAGES, left_out=(), repeated=0)


def test_what_people_deleted_is_gone_and_what_they_drew_is_there_in_whole_pixels() -> None:
    tool = annotator()
    tool.delete(1)
    tool.draw("a_2.jpg", "table", [(3.27, 4.9), (50.01, 4.9), (50.01, 60.55), (3.27, 60.55)])
    pages = {page.file_name: list(page.boxes) for page in read(tool.export()).pages}
    assert pages["a_0.jpg"] == [LabelledBox(TABLE, 10, 10, 180, 80)]
    assert pages["a_2.jpg"][0] == LabelledBox(TABLE, 3, 5, 47, 56)


def test_a_category_is_found_by_its_name_in_any_case_and_whatever_its_id() -> None:
    tool = CocoAnnotator(SIZES)
    tool.add_category("figure")
    tool.add_category("HEADER")
    tool.add_category("cell ")
    content = our_file()
    content["categories"][1]["name"] = "cell "
    assert tool.import_file(content) == 0
    exported = tool.export()
    assert [item["name"] for item in exported["categories"]] == ["figure", "HEADER", "cell ", "table"]
    assert read(exported).pages == PAGES


def test_pages_that_are_not_listed_are_named_and_not_trained_on() -> None:
    tool = annotator()
    tool.annotations = [item for item in tool.annotations if item["image_id"] != tool.images[1]["id"]]
    missing = tool.images[1]["file_name"]
    downloaded = read(tool.export(as_download=True))
    assert downloaded.left_out == (missing,)
    assert downloaded.pages == tuple(page for page in PAGES if page.file_name != missing)
    # "Export COCO" stops there: what follows had labels, and none must become a page without.
    assert len(read(tool.export()).left_out) == 2


def test_a_page_that_was_without_labels_already_stays_in_though_no_export_lists_it() -> None:
    exported = our_file()
    del exported["images"][1]
    exported["annotations"] = [item for item in exported["annotations"] if item["image_id"] != 41]
    found = read_edited_split(json.dumps(exported).encode(), WHERE, SIZES, ["a_10.jpg"])
    assert found.left_out == ()
    assert found.pages == (PAGES[0], LabelledPage("a_10.jpg", 100, 200, PackedBoxes()), PAGES[2])
    # Where somebody labelled it since, these labels count.
    assert read_edited_split(json.dumps(our_file()).encode(), WHERE, SIZES, ["a_10.jpg"]).pages == PAGES


def test_a_listed_page_without_annotations_stays_as_one_without_tables() -> None:
    content = our_file()
    content["annotations"] = content["annotations"][:2]
    assert [len(page.boxes) for page in read(content).pages] == [2, 0, 0]


def test_an_annotation_that_is_there_twice_counts_once() -> None:
    content = our_file()
    content["annotations"].append({**content["annotations"][0], "id": 1, "bbox": [10.0, 10.0004, 180.0, 80.0]})
    assert read(content) == EditedSplit(PAGES, left_out=(), repeated=1)


def twice(content: dict[str, Any], **change: Any) -> dict[str, Any]:
    """Each label once more, with `change`."""
    content["annotations"] += [{**item, "id": item["id"] + 1000, **change} for item in content["annotations"]]
    return content


def test_labels_of_which_a_tool_made_a_rectangle_and_a_polygon_are_refused_wherever_one_was_moved_or_deleted() -> None:
    content = twice(our_file(), segmentation=[])
    content["annotations"][1]["bbox"] = [50, 20, 30, 9]
    del content["annotations"][2]
    with pytest.raises(DataError) as error:
        read(content)
    assert "3 labels are there twice, such as annotations 100 and 1100 (table on a_0.jpg at (10, 10))" in str(
        error.value
    )
    assert "training.annotations export" in str(error.value)


def test_a_file_that_was_imported_twice_is_refused_although_the_copies_are_exact() -> None:
    content = twice(our_file())
    del content["annotations"][0]
    with pytest.raises(DataError, match=r"4 labels are there twice, such as annotations 101 and 1101 \(Cell on a_0"):
        read(content)


def test_a_label_that_was_moved_by_a_pixel_is_refused_where_its_twin_stayed() -> None:
    content = our_file()
    content["annotations"].append({**content["annotations"][0], "id": 7, "bbox": [11, 10, 180, 80]})
    with pytest.raises(DataError, match=r"1 labels are there twice, such as annotations 100 and 7"):
        read(content)


@pytest.mark.parametrize("rotation", [0, 0.0, "0.0", "0", None])
def test_a_box_that_a_tool_calls_level_is_taken(rotation: Any) -> None:
    content = our_file()
    for item in content["annotations"]:
        item["attributes"] = {"occluded": False, "rotation": rotation}
    assert read(content).pages == PAGES


@given(st.integers(), st.lists(st.integers(1, 10**12), min_size=20, max_size=20, unique=True))
def test_neither_order_nor_ids_change_what_is_trained_on(seed: int, ids: list[int]) -> None:
    content, rng, numbers = our_file(), random.Random(seed), iter(ids)
    for items, references in (("images", "image_id"), ("categories", "category_id")):
        new = {item["id"]: next(numbers) for item in content[items]}
        content[items] = [{**item, "id": new[item["id"]]} for item in content[items]]
        for annotation in content["annotations"]:
            annotation[references] = new[annotation[references]]
    content["annotations"] = [{**item, "id": next(numbers)} for item in content["annotations"]]
    for items in content.values():
        rng.shuffle(items)
    assert read(content).pages == PAGES


@pytest.mark.parametrize(
    ("change", "box"),
    [
        ({"bbox": [10.4, 10.6, 20.2, 20.0]}, LabelledBox(TABLE, 10, 10, 21, 21)),
        ({"bbox": [10, 10, 20, 20], "segmentation": [[0, 0, 99, 0, 99, 99]]}, LabelledBox(TABLE, 10, 10, 20, 20)),
        ({"bbox": [-1.5, -0.2, 201.6, 50]}, LabelledBox(TABLE, 0, 0, 200, 50)),
        ({"bbox": [0.0, 0.0, 0.0, 0.0]}, LabelledBox(TABLE, 10, 10, 180, 80)),
        ({"bbox": None, "segmentation": [[1, 2, 3.5, 2], [9, 9, 9, 12]]}, LabelledBox(TABLE, 1, 2, 8, 10)),
        ({"segmentation": {"size": [100, 200], "counts": "PPYo0"}}, LabelledBox(TABLE, 10, 10, 180, 80)),
        ({"segmentation": [], "keypoints": [1, 2, 2], "num_keypoints": 1}, LabelledBox(TABLE, 10, 10, 180, 80)),
        ({"area": None, "iscrowd": False, "attributes": {"occluded": False}}, LabelledBox(TABLE, 10, 10, 180, 80)),
    ],
)
def test_a_box_is_the_pixels_around_the_bbox_or_else_around_the_polygons(
    change: dict[str, Any], box: LabelledBox
) -> None:
    content = our_file()
    content["annotations"][0].update(change)
    assert next(iter(read(content).pages[0].boxes)) == box


@pytest.mark.parametrize(
    "name", ["a_0.jpg", "train/images/a_0.jpg", "/datasets/tables/a_0.jpg", "C:\\pages\\a_0.jpg", None]
)
def test_an_image_is_found_by_its_name_whatever_folder_stands_before_it(name: str | None) -> None:
    content = our_file()
    content["images"][0].update({"file_name": name, "path": "/datasets/tables/a_0.jpg"})
    assert read(content).pages == PAGES


@given(st.permutations(["Prüfbericht ﬁnal_0.jpg", "año²_1.jpg", "가나_2.jpg"]), st.sampled_from(FORMS))
def test_an_image_is_found_by_its_name_in_any_normal_form(names: list[str], form: Any) -> None:
    content, pages = our_file(), []
    for image, page, name in zip(content["images"], PAGES, names, strict=True):
        image["file_name"] = "images/" + unicodedata.normalize(form, name)
        pages.append(replace(page, file_name=name))
    sizes = {page.file_name: (page.width, page.height) for page in pages}
    assert read_edited_split(json.dumps(content).encode(), WHERE, sizes).pages == tuple(pages)


def set_in(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_in("images", value={}), "is no COCO file: images must be a list of objects"),
        (set_in("annotations", 0, value=7), "is no COCO file: annotations must be a list of objects"),
        (set_in("categories", value=None), "is no COCO file: categories must be a list of objects"),
        (set_in("categories", 0, "id", value="1"), "a category has the id '1' and the name 'table'"),
        (set_in("categories", 0, "id", value=2), "table and Cell share the category id 2"),
        (
            set_in("categories", 1, "name", value="figure"),
            "101 on a_0.jpg is of the category figure; make it one of table, Cell, header",
        ),
        (set_in("annotations", 0, "category_id", value=9), "annotation 100 on a_0.jpg is of the category 9"),
        (set_in("annotations", 0, "category_id", value=[1]), "annotation 100 on a_0.jpg is of the category [1]"),
        (set_in("images", 0, "file_name", value="b_0.jpg"), "The image b_0.jpg is not one of the split's; take it out"),
        (set_in("images", 0, "file_name", value="a_2.jpg"), "a_2.jpg is 200 x 100 there, but its file has 100 x 100"),
        (set_in("images", 0, "width", value=100), "a_0.jpg is 100 x 100 there, but its file has 200 x 100"),
        (
            set_in("images", 0, "width", value="200"),
            """the image a_0.jpg has the width "200", which is no number; write""",
        ),
        (set_in("images", 0, "height", value=None), "the image a_0.jpg has the height null, which is no number; write"),
        (set_in("images", 0, "height", value=[100]), "the numbers 200 and 100 for width and height, or export it"),
        (set_in("images", 0, "id", value=40.0), "The image a_0.jpg has the id 40.0"),
        (set_in("images", 0, "id", value=[40]), "The image a_0.jpg has the id [40]"),
        (set_in("images", 1, "id", value=40), "The images a_0.jpg and a_10.jpg share the id 40"),
        (set_in("annotations", 0, "id", value=101), "Annotation 101 on a_0.jpg has the id of another one"),
        (set_in("annotations", 0, "id", value=None), "Annotation None on a_0.jpg has an id that is no whole number"),
        (set_in("annotations", 0, "image_id", value=7), "Annotation 100 is on the image 7, which is not listed"),
        (set_in("annotations", 0, "image_id", value={}), "Annotation 100 is on the image {}, which is not listed"),
        (
            set_in("annotations", 0, "attributes", value={"rotation": 12.5}),
            "annotation 100 on a_0.jpg (table) is turned by 12.5 degrees, and labels cannot be; draw it level, or",
        ),
        (set_in("annotations", 0, "attributes", value={"rotation": "90.0"}), "is turned by 90.0 degrees"),
        (set_in("annotations", 0, "iscrowd", value=1), "annotation 100 on a_0.jpg is marked as a crowd"),
        (set_in("annotations", 0, "bbox", value=[10, 10, 99, 95]), "its box goes from (10, 10) to (109, 105)"),
        (set_in("annotations", 0, "bbox", value=[-5, 0, 1e8, 10**8]), "Annotation 100 (table) on a_0.jpg lies outside"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_place_and_what_to_do(
    change: Callable[[Any], None], words: str
) -> None:
    content = our_file()
    change(content)
    with pytest.raises(DataError) as error:
        read(content)
    message = str(error.value)
    assert message.startswith(WHERE)
    assert words in message
    assert "run preprocess again" in message or "delete it" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bbox": [10, 10, 0, 5], "segmentation": []}, "Annotation 100 (table) on a_0.jpg has no area; draw it again"),
        ({"bbox": [10, 10, -3, 5], "segmentation": []}, "has no area"),
        ({"bbox": [10, 10, 1e-5, 5]}, "has no area"),
        ({"bbox": [0, 0, 0, 0], "segmentation": [], "keypoints": [1, 1, 2]}, "has no area"),
        ({"bbox": None, "segmentation": {"size": [9, 9], "counts": "x"}}, "has no bbox [left, top, width, height]"),
        ({"bbox": [1, 2, 3], "segmentation": None}, "has no bbox [left, top, width, height]"),
        ({"bbox": [1, 2, "3", 4], "segmentation": [[True, 1]]}, "has no bbox [left, top, width, height]"),
        ({"bbox": [1, 2, float("nan"), 4], "segmentation": []}, "has no bbox [left, top, width, height]"),
        ({"bbox": [1e308, 2, 1e308, 4], "segmentation": []}, "has no bbox [left, top, width, height]"),
        ({"bbox": [10**400, 2, 3, 4], "segmentation": []}, "has no bbox [left, top, width, height]"),
    ],
)
def test_an_annotation_without_a_box_is_refused(change: dict[str, Any], words: str) -> None:
    content = our_file()
    content["annotations"][0].update(change)
    with pytest.raises(DataError) as error:
        read(content)
    assert words in str(error.value)
    assert "on a_0.jpg" in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'"undefined"', b"[]"])
def test_what_is_no_coco_file_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"train\.json is no (JSON|COCO file).*run preprocess again"):
        read_edited_split(data, WHERE, SIZES)


@given(st.data())
def test_a_damaged_file_gives_a_sentence_and_no_other_error(data: st.DataObject) -> None:
    content = copy.deepcopy(our_file())
    part = data.draw(st.sampled_from(["images", "annotations", "categories"]))
    item = data.draw(st.sampled_from(content[part]))
    damage = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=6,
    )
    item[data.draw(st.sampled_from(sorted(item)))] = data.draw(damage)
    with suppress(DataError):
        read(content)
