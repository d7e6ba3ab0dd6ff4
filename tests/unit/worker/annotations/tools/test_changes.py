"""What changed on a page, told from its labels before and after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.annotations.tools.changes import PageChanges, page_changes
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox

ONE = LabelledBox(CELL, 100, 100, 60, 16)
TWO = LabelledBox(CELL, 180, 100, 60, 16)
PAGE = [LabelledBox(TABLE, 90, 90, 400, 300), LabelledBox(HEADER, 90, 90, 400, 30), ONE, TWO]


def changed(box: LabelledBox, **fields: int) -> LabelledBox:
    return box._replace(**fields)


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        ([ONE, TWO], PageChanges()),
        ([TWO, ONE], PageChanges()),
        ([ONE], PageChanges(deleted=(TWO,))),
        ([], PageChanges(deleted=(ONE, TWO))),
        ([ONE, TWO, changed(ONE, top=300)], PageChanges(added=(changed(ONE, top=300),))),
        ([ONE, changed(TWO, category=HEADER)], PageChanges(relabelled=((TWO, changed(TWO, category=HEADER)),))),
        ([changed(ONE, left=103), TWO], PageChanges(moved=((ONE, changed(ONE, left=103)),))),
        ([changed(ONE, top=130), TWO], PageChanges(moved=((ONE, changed(ONE, top=130)),))),
        ([changed(ONE, width=90, height=20), TWO], PageChanges(moved=((ONE, changed(ONE, width=90, height=20)),))),
        (
            [changed(ONE, top=700), TWO],
            PageChanges(deleted=(ONE,), added=(changed(ONE, top=700),)),
        ),
        (
            [changed(ONE, top=130, width=40), TWO],
            PageChanges(deleted=(ONE,), added=(changed(ONE, top=130, width=40),)),
        ),
    ],
)
def test_a_change_is_told_from_where_the_labels_are(after: list[LabelledBox], changes: PageChanges) -> None:
    rest = PAGE[:2]
    assert page_changes([*rest, ONE, TWO], [*after, *rest], 1403) == changes


def test_a_label_moved_onto_the_place_of_a_deleted_one_is_known_by_its_overlap() -> None:
    assert page_changes([ONE, TWO], [changed(TWO, left=182)], 1403) == PageChanges(
        moved=((TWO, changed(TWO, left=182)),), deleted=(ONE,)
    )


BOXES = st.builds(
    LabelledBox,
    st.sampled_from([TABLE, CELL, HEADER]),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 30),
    st.integers(1, 30),
)


@given(st.lists(BOXES, max_size=9), st.lists(BOXES, max_size=9))
def test_the_changes_make_the_labels_after_from_those_before(
    before: list[LabelledBox], after: list[LabelledBox]
) -> None:
    changes = page_changes(before, after, 100)
    pairs = changes.moved + changes.relabelled
    left = list(before)
    for box in [*changes.deleted, *(old for old, _ in pairs)]:
        left.remove(box)
    assert sorted([*left, *changes.added, *(new for _, new in pairs)]) == sorted(after)
    assert bool(changes) == (sorted(before) != sorted(after))
