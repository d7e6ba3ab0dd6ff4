"""Words on nothing, and pictures that end too soon."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from training.documents.ink import WORD_MARGIN, blank_tail, words_without_ink
from training.geometry import Box, Word

WIDTH, HEIGHT = 200, 100


def page(*inked: Box, ground: int = 255, ink: int = 0) -> Image.Image:
    image = Image.new("L", (WIDTH, HEIGHT), ground)
    for box in inked:
        ImageDraw.Draw(image).rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=ink)
    return image


def test_a_word_on_even_paper_has_no_ink_and_light_text_on_dark_has() -> None:
    here, there = Word(Box(10, 10, 50, 22), "here"), Word(Box(60, 10, 90, 22), "there")
    assert words_without_ink(page(Box(12, 14, 40, 18)), [here, there]) == [there]
    assert words_without_ink(page(Box(12, 14, 40, 18), ground=20, ink=240), [here, there]) == [there]
    assert words_without_ink(page(ground=128), [here, there]) == [here, there]


def test_faint_text_is_ink_and_the_noise_of_a_jpeg_is_not() -> None:
    word = Word(Box(10, 10, 50, 22), "word")
    assert words_without_ink(page(Box(12, 14, 40, 18), ink=225), [word]) == []
    assert words_without_ink(page(Box(12, 14, 40, 18), ink=247), [word]) == [word]


def test_a_rule_above_or_below_a_word_is_not_its_ink() -> None:
    word = Word(Box(10, 10, 50, 30), "word")
    assert words_without_ink(page(Box(0, 10, 200, 12), Box(0, 28, 200, 30)), [word]) == [word]


def test_what_has_no_letter_or_digit_and_what_is_beyond_the_page_needs_no_ink() -> None:
    box = Box(10, 10, 50, 22)
    beyond = [Box(-50, 10, -10, 22), Box(210, 10, 250, 22), Box(10, 110, 50, 122), Box(10, -30, 50, -18)]
    words = [Word(box, "…"), Word(box, "\u200b"), *(Word(outside, "word") for outside in beyond)]
    assert words_without_ink(page(), words) == []


@pytest.mark.parametrize(
    ("text", "needed"),
    [("word", True), ("(7)", True), ("资产", True), ("\ue052\ue065", True), ("…", False), ("\uf020", False)],
)
def test_letters_digits_and_a_fonts_own_characters_need_ink_and_a_symbol_fonts_space_does_not(
    text: str, needed: bool
) -> None:
    assert words_without_ink(page(), [Word(Box(10, 10, 50, 22), text)]) == [Word(Box(10, 10, 50, 22), text)] * needed


def test_boxes_are_scaled_to_the_page() -> None:
    word = Word(Box(20, 20, 100, 44), "word")
    assert words_without_ink(page(Box(12, 14, 40, 18)), [word], scale=0.5) == []
    assert words_without_ink(page(Box(60, 14, 90, 18)), [word], scale=0.5) == [word]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Boxes of a word's size, on the page or in part beyond it."""
    left, top = draw(st.floats(-20, WIDTH + 20)), draw(st.floats(-20, HEIGHT + 20))
    return Box(left, top, left + draw(st.floats(3, 80)), top + draw(st.floats(4, 30)))


@given(boxes(), st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1))
def test_one_dark_dot_within_a_word_is_its_ink_and_one_beside_it_is_not(box: Box, x: int, y: int) -> None:
    word, dot = Word(box, "word"), Box(x, y, x + 1, y + 1)
    margin = box.height * WORD_MARGIN
    core = Box(box.left, box.top + margin, box.right, box.bottom - margin)
    seen = core.intersection(Box(0, 0, WIDTH, HEIGHT)).rounded_out()
    assume(seen.area > 1)
    hidden = words_without_ink(page(dot), [word])
    if dot.intersection(core) == dot:
        assert hidden == []
    elif dot.intersection(seen).is_empty:
        assert hidden == [word]


def test_the_blank_tail_of_an_area_begins_below_its_last_ink() -> None:
    area = Box(10, 10, 110, 90)
    assert blank_tail(page(), area) == 80
    assert blank_tail(page(Box(20, 30, 60, 40)), area) == 50
    assert blank_tail(page(Box(20, 30, 60, 90)), area) == 0
    assert blank_tail(page(Box(120, 10, 130, 90)), area) == 80
    assert blank_tail(page(ground=20), area) == 80
    assert blank_tail(page(), Box(300, 10, 400, 90)) == 0
