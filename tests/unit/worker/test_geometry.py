"""Words by place."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.words import words_at
from training.geometry import Box, Words

BOXES = st.builds(
    lambda left, top, width, height: Box(left, top, left + width, top + height),
    *[st.integers(0, 60)] * 2,
    *[st.integers(1, 20)] * 2,
)


@given(st.lists(BOXES, max_size=40), BOXES)
def test_the_words_that_touch_a_box_are_those_that_share_an_area_with_it(boxes: list[Box], box: Box) -> None:
    expected = [word for word in words_at(boxes) if not word.box.intersection(box).is_empty]
    assert sorted(Words(words_at(boxes)).touching(box)) == sorted(expected)
