"""Labels that are there twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset.twins import MIN_IOU, Shape, twins
from training.geometry import Box
from training.labels.categories import CELL, HEADER

BOX = Box(100, 50, 160, 66)
RECTANGLE = Shape(1, CELL, BOX, has_outline=False)
POLYGON = Shape(2, CELL, BOX, has_outline=True)


@pytest.mark.parametrize(
    ("other", "is_twin"),
    [
        (POLYGON, True),
        (POLYGON._replace(box=BOX.shifted(2, 1)), True),
        (RECTANGLE._replace(number=3, box=BOX.shifted(1, 0)), True),
        (RECTANGLE._replace(number=3), False),
        (POLYGON._replace(category=HEADER), False),
        (POLYGON._replace(box=BOX.shifted(0, 16)), False),
        (POLYGON._replace(box=Box(100, 50, 160, 90)), False),
    ],
)
def test_two_shapes_of_a_category_on_nearly_the_same_box_are_twins(other: Shape, is_twin: bool) -> None:
    assert bool(twins([RECTANGLE, other])) == bool(twins([other, RECTANGLE])) == is_twin


def test_copies_are_twins_only_where_they_are_asked_for() -> None:
    copies = [RECTANGLE, RECTANGLE._replace(number=3)]
    assert twins(copies) == []
    assert twins(copies, copies=True) == [tuple(copies)]


SHAPES = st.builds(
    Shape,
    st.just(1),
    st.sampled_from([CELL, HEADER]),
    st.builds(
        lambda left, top, width, height: Box(left, top, left + width, top + height),
        *(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9)),
    ),
    has_outline=st.booleans(),
)


@given(st.lists(SHAPES, max_size=9))
def test_the_sweep_finds_the_pairs_that_a_comparison_of_all_finds(shapes: list[Shape]) -> None:
    shapes = [shape._replace(number=number) for number, shape in enumerate(shapes)]
    all_pairs = {
        frozenset((one.number, other.number))
        for one in shapes
        for other in shapes
        if one.number != other.number and one.category == other.category and one.box.iou(other.box) >= MIN_IOU
    }
    assert {frozenset((one.number, other.number)) for one, other in twins(shapes, copies=True)} == all_pairs
