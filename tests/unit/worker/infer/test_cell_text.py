"""The words of a page, by the cells they are in."""

import random

import pytest

from training.geometry import Box, Word
from training.infer.cell_text import read_cells

CELL = Box(100, 100, 200, 140)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], ""),
        ([Word(Box(110, 105, 140, 118), "Gross")], "Gross"),
        ([Word(Box(145, 106, 170, 119), "income"), Word(Box(110, 105, 140, 118), "Gross")], "Gross income"),
        ([Word(Box(110, 122, 140, 135), "income"), Word(Box(110, 105, 140, 118), "Gross")], "Gross\nincome"),
        # A footnote's number: smaller, and higher than its line.
        ([Word(Box(110, 105, 140, 118), "Total"), Word(Box(141, 102, 146, 110), "14")], "Total 14"),
        ([Word(Box(300, 105, 340, 118), "elsewhere")], ""),
        ([Word(Box(80, 105, 118, 118), "before")], ""),
    ],
    ids=["none", "one", "in a row", "two lines", "a raised word", "outside", "less than half inside"],
)
def test_a_cell_has_the_words_that_are_mostly_in_it_in_the_order_of_reading(words: list[Word], text: str) -> None:
    (found,) = read_cells([CELL], words)
    assert found.text == text


def test_a_cell_grows_around_a_word_that_sticks_out_of_it() -> None:
    (found,) = read_cells([CELL], [Word(Box(90, 98, 130, 112), "Gross")])
    assert found == (Box(90, 98, 200, 140), "Gross")


def test_a_word_that_two_cells_hold_goes_to_the_one_that_holds_more_of_it() -> None:
    word = Word(Box(185, 105, 215, 118), "Gross")
    narrow, wide = Box(100, 100, 206, 140), Box(185, 100, 300, 140)
    assert [cell.text for cell in read_cells([narrow, wide], [word])] == ["", "Gross"]
    assert [cell.text for cell in read_cells([wide, narrow], [word])] == ["Gross", ""]


def test_the_order_of_the_words_changes_nothing() -> None:
    words = [
        Word(Box(105 + 30 * column, 101 + 13 * row, 130 + 30 * column, 112 + 13 * row), f"{row}{column}")
        for row in range(3)
        for column in range(3)
    ]
    expected = "00 01 02\n10 11 12\n20 21 22"
    for seed in range(5):
        random.Random(seed).shuffle(words)
        assert read_cells([CELL], words)[0].text == expected
