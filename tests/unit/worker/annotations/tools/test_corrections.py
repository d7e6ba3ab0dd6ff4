"""What a tool's export makes of a split."""

import unicodedata
from typing import Any

import pytest

from training.annotations.tools.coco import as_coco
from training.annotations.tools.corrections import Corrections, corrections
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box
from training.labels.categories import CATEGORIES, CELL, HEADER, TABLE, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

LABELS = [LabelledBox(TABLE, 10, 10, 180, 80), LabelledBox(CELL, 20, 20, 30, 9), LabelledBox(CELL, 60, 20, 30, 9)]
PAGES = tuple(
    LabelledPage(name, 200, 100, PackedBoxes(boxes))
    for name, boxes in {"a_0.jpg": LABELS[::-1], "b_0.jpg": LABELS, "c_0.jpg": [], "ü_0.jpg": LABELS}.items()
)
SIZES = {page.file_name: (page.width, page.height) for page in PAGES}
OTHERS = {"v_0.jpg": "val", "v_1.jpg": "val", "t_0.jpg": "test"}


def exported(name: str, boxes: list[LabelledBox], *, written: str = "{}") -> ToolPage:
    return ToolPage(
        written.format(name), (200, 100), tuple(ToolBox(CATEGORIES[box.category], box.box) for box in boxes)
    )


def untouched(**fields: Any) -> list[ToolPage]:
    return [exported(page.file_name, list(page.boxes), **fields) for page in PAGES]


def compare(pages: list[ToolPage], **options: Any) -> Corrections:
    return corrections(as_coco(pages), "export.json", PAGES, SIZES, others=OTHERS, **options)


def test_an_untouched_export_changes_nothing() -> None:
    found = compare(untouched(written="images/41bda93a__{}")[::-1])
    assert (found.pages, found.changes, found.absent, found.emptied) == (PAGES, {}, (), ())
    assert found.summary("train") == "train: 0 of 4 pages changed\n4 pages came back as they were"


def test_each_change_is_counted_by_page_and_in_total() -> None:
    pages = untouched()
    table, one, two = LABELS
    pages[0] = exported("a_0.jpg", [table, one._replace(left=22), LabelledBox(CELL, 100, 50, 9, 9)])
    pages[1] = exported("b_0.jpg", [table, one, two._replace(category=HEADER)])
    pages[2] = exported("c_0.jpg", [table])
    found = compare(pages)
    assert found.summary("val").splitlines() == [
        "val: 3 of 4 pages changed: 1 moved, 2 added, 1 deleted, 1 relabelled",
        "  a_0.jpg: 1 moved, 1 added, 1 deleted",
        "  b_0.jpg: 1 relabelled",
        "  c_0.jpg: 1 added",
        "1 pages came back as they were",
    ]
    assert [len(page.boxes) for page in found.pages] == [3, 3, 1, 3]
    assert found.pages[3] == PAGES[3]


def test_pages_that_the_export_lacks_keep_their_labels_and_are_named() -> None:
    found = compare([exported("b_0.jpg", LABELS[:2])])
    assert [page.file_name for page in found.pages] == list(SIZES)
    assert found.absent == ("a_0.jpg", "ü_0.jpg")
    assert (
        "2 labelled pages are not in the export and keep their labels: a_0.jpg, ü_0.jpg; one whose labels were all "
        "deleted must be named with --emptied" in found.summary("train")
    )


def test_a_page_that_was_emptied_has_no_labels_if_the_export_says_so_or_somebody_does() -> None:
    found = compare([exported("b_0.jpg", [])], emptied=["ü_0.jpg"])
    assert [len(page.boxes) for page in found.pages] == [3, 0, 0, 0]
    assert found.emptied == ("b_0.jpg", "ü_0.jpg")
    assert "2 pages have lost all their labels: b_0.jpg, ü_0.jpg" in found.summary("train")
    with pytest.raises(DataError, match=r"export\.json: b_0\.jpg has labels in the export; leave it out of --emptied"):
        compare(untouched(), emptied=["b_0.jpg"])


def test_an_export_in_which_most_pages_are_empty_is_refused_unless_they_are_named() -> None:
    names = [f"p_{number}.jpg" for number in range(7)]
    pages = [LabelledPage(name, 200, 100, PackedBoxes(LABELS)) for name in names]
    sizes = dict.fromkeys(names, (200, 100))
    empty = as_coco([exported(name, []) for name in names[:4]] + [exported(name, LABELS) for name in names[4:]])
    with pytest.raises(DataError, match=r"4 of 7 labelled pages, such as p_0\.jpg, come back without any label"):
        corrections(empty, "export.json", pages, sizes, others={})
    found = corrections(empty, "export.json", pages, sizes, others={}, emptied=names[:4])
    assert found.emptied == tuple(names[:4])


def test_pages_of_other_splits_are_passed_over_and_counted() -> None:
    others = [exported(name, LABELS, written="/data/upload/1/41bda93a-{}") for name in OTHERS]
    found = compare([*others, *untouched()])
    assert found.pages == PAGES
    assert found.summary("train").splitlines()[-2:] == [
        "2 pages of the val split are passed over",
        "1 pages of the test split are passed over",
    ]


def test_a_name_is_found_in_any_normal_form() -> None:
    assert compare([exported(unicodedata.normalize("NFD", "ü_0.jpg"), [])]).emptied == ("ü_0.jpg",)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            exported("z_0.jpg", LABELS),
            r"The image z_0\.jpg is not one of the split's; take it out, with its annotations",
        ),
        (exported("a_0.jpg", LABELS, written="images/{}"), r"a_0\.jpg and images/a_0\.jpg are both the page a_0\.jpg"),
        (ToolPage("a_0.jpg", (100, 200), ()), "a_0.jpg and a_0.jpg are both the page a_0.jpg; keep one of them"),
    ],
)
def test_a_page_that_is_unknown_or_there_twice_is_refused_by_name(page: ToolPage, words: str) -> None:
    with pytest.raises(DataError, match=rf"export\.json: {words}.* in the tool"):
        compare([*untouched(), page])


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (ToolPage("a_0.jpg", (100, 200), ()), "the image a_0.jpg is 100 x 200 there, but its file has 200 x 100"),
        (exported("a_0.jpg", [LabelledBox(CELL, 190, 0, 30, 9)]), r"1 \(Cell\) on a_0\.jpg lies outside its image"),
        (ToolPage("a_0.jpg", None, (ToolBox("figure", Box(0, 0, 9, 9)),)), "is of the category figure; make it one of"),
        (
            ToolPage(
                "a_0.jpg", None, (ToolBox("Cell", Box(0, 0, 9, 9)), ToolBox("Cell", Box(0, 0, 9, 9), is_polygon=True))
            ),
            r"1 labels are there twice, such as annotations 1 and 2 \(Cell on a_0\.jpg at \(0, 0\)\)",
        ),
    ],
)
def test_a_label_that_cannot_be_used_is_refused_with_its_page(page: ToolPage, words: str) -> None:
    with pytest.raises(DataError, match=rf"export\.json: .*{words}"):
        compare([page])


def test_an_ambiguous_name_is_refused_with_both_pages() -> None:
    sizes = dict.fromkeys(["m²_0.jpg", "m₂_0.jpg"], (200, 100))
    with pytest.raises(DataError, match=r"export\.json: The image m2_0\.jpg may be m²_0\.jpg or m₂_0\.jpg"):
        corrections(as_coco([exported("m2_0.jpg", [])]), "export.json", (), sizes, others={})
