"""CVAT's XML: what we write is what we read, and what is no box is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotations.tools import cvat
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import DataError
from training.geometry import Box
from training.labels.categories import CATEGORIES, CELL, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

BOX = '<box label="Cell" xtl="53.00" ytl="60.25" xbr="71.00" ybr="80.00" occluded="0" z_order="0"/>'


def export(shapes: str, *, image: str = 'id="0" name="pages/a_0.jpg" width="992" height="1403"') -> bytes:
    head = "<?xml version='1.0' encoding='utf-8'?>\n<annotations><version>1.1</version><meta><task/></meta>"
    return f"{head}<image {image}>{shapes}</image></annotations>".encode()


def test_a_box_is_read_and_a_tag_of_the_page_is_none() -> None:
    assert cvat.read(export(f'{BOX}<tag label="done" source="manual"></tag>'), "a.xml") == [
        ToolPage("pages/a_0.jpg", (992, 1403), (ToolBox("Cell", Box(53, 60.25, 71, 80)),))
    ]


def test_a_polygon_is_the_box_around_it_and_told_from_a_box() -> None:
    ((found,),) = (page.boxes for page in cvat.read(export('<polygon label="Cell" points="1,2;3.50,2;9,9"/>'), "a.xml"))
    assert found == ToolBox("Cell", Box(1, 2, 9, 9), is_polygon=True)


def test_a_page_that_states_no_size_has_none() -> None:
    assert cvat.read(export("", image='id="0" name="a_0.jpg"'), "a.xml") == [ToolPage("a_0.jpg", None, ())]


def test_a_box_that_was_turned_back_is_level() -> None:
    assert len(cvat.read(export(BOX.replace("<box ", '<box rotation="0.00" ')), "a.xml")[0].boxes) == 1


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=("Cs", "Cc"))), st.integers(1, 10**5), max_size=4),
    st.lists(
        st.builds(
            LabelledBox,
            st.sampled_from(sorted(CATEGORIES)),
            st.integers(0, 10**5),
            st.integers(0, 10**5),
            st.integers(1, 10**5),
            st.integers(1, 10**5),
        ),
        max_size=5,
    ),
)
def test_what_we_write_is_what_we_read(sides: dict[str, int], boxes: list[LabelledBox]) -> None:
    pages = [LabelledPage(f"{name}_0.jpg", side, side + 1, PackedBoxes(boxes)) for name, side in sides.items()]
    found = cvat.read(cvat.annotations(pages, lambda name: f"pages/{name}"), "a.xml")
    assert [(page.name.removeprefix("pages/"), page.size) for page in found] == [
        (page.file_name, (page.width, page.height)) for page in pages
    ]
    for page in found:
        assert [(item.label, item.box) for item in page.boxes] == [(CATEGORIES[box.category], box.box) for box in boxes]


def test_the_labels_of_a_new_task_are_rectangles_in_our_colours() -> None:
    assert json.loads(cvat.labels())[CELL - 1] == {
        "name": "Cell",
        "color": "#38fb5c",
        "type": "rectangle",
        "attributes": [],
    }


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            BOX.replace("<box ", '<box rotation="12.00" '),
            r"the box Cell, shape 1 of its image, from \(53, 60.25\) to \(71, 80\), is turned by 12.00 degrees",
        ),
        (f'{BOX}<mask label="Cell" rle="1, 2" left="0" top="0" width="1" height="3"/>', "the mask Cell, shape 2"),
        ('<ellipse label="Cell" cx="1" cy="2" rx="3" ry="4"/>', "the ellipse Cell, shape 1 of its image, is no box"),
        ('<polyline label="Cell" points="1,2;3,4"/>', "is no box; draw a rectangle"),
        ('<box label="Cell" xtl="1"/>', "has no coordinates"),
        ('<box label="Cell" xtl="nan" ytl="0" xbr="1" ybr="1"/>', "has no coordinates"),
        ('<box label="Cell" xtl="1e300" ytl="0" xbr="1" ybr="1"/>', "has no coordinates"),
        ('<polygon label="Cell" points="1,2;3"/>', "has no coordinates"),
        ('<polygon label="Cell"/>', "has no coordinates"),
    ],
)
def test_what_is_no_box_is_refused_with_its_page_and_shape(shapes: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.xml: pages/a_0\.jpg: .*{words}"):
        cvat.read(export(shapes), "a.xml")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no XML"),
        (b"<annotations>", "is no XML"),
        (b"<html/>", "its root is html"),
        (b"<annotations><track id='0' label='Cell'/></annotations>", "holds tracks of a video"),
        (b"<annotations><image id='3'/></annotations>", "the image 3 has no name"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><annotations/>", "declares a document type"),
    ],
)
def test_what_is_no_export_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=f"{words}.*export the task as CVAT for images 1.1"):
        cvat.read(data, "a.xml")
