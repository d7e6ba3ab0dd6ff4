"""Texts of cells against the words in their boxes, and what follows for a document. Cells are 90 x 20 pixels."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.geometry import Box, Word, Words
from training.labels.agreement import Agreement, agreement, total
from training.labels.mismatch import better_page, elsewhere, text_mismatch


def place(number: int) -> Box:
    return Box(100 * (number % 10), 30 * (number // 10), 100 * (number % 10) + 90, 30 * (number // 10) + 20)


def cells(*texts: str) -> list[tuple[str, Box]]:
    return [(text, place(number)) for number, text in enumerate(texts)]


def page(*texts: str) -> Words:
    """A page with a word in the place of each cell, but where the text is empty."""
    inner = [place(number) for number in range(len(texts))]
    return Words(
        Word(Box(box.left + 5, box.top + 3, box.right - 5, box.bottom - 3), text)
        for box, text in zip(inner, texts, strict=True)
        if text
    )


def counts(texts: Sequence[str], found: Sequence[str]) -> tuple[int, int]:
    result = agreement(cells(*texts), page(*found))
    return result.compared, result.agreeing


@pytest.mark.parametrize(
    ("texts", "found", "expected"),
    [
        (["Rent", "Food"], ["Rent", "Food"], (2, 2)),
        (["Rent", "Food"], ["Rent", "Cars"], (2, 1)),
        (["Rent", "Food", ""], ["Rent", "", "Cars"], (1, 1)),
        # Numbers that repeat count once, and agree by chance in part.
        (["0"] * 8 + ["Rent"], ["0"] * 3 + ["1"] * 5 + ["Food"], (2, 0)),
        (["0"] * 8, ["0"] * 8, (1, 1)),
        (["-"] * 5, ["-"] * 5, (0, 0)),
        # A word that is all over the page, such as a watermark's, counts once.
        (["Rent", "Food", "Cars", "Trips"], ["COPY"] * 4, (1, 0)),
        (["Rent", "Food", "Cars", "Trips"], ["C", "O", "P", "Y"], (0, 0)),
    ],
)
def test_each_text_counts_once(texts: list[str], found: list[str], expected: tuple[int, int]) -> None:
    assert counts(texts, found) == expected


def test_a_garbled_text_layer_is_no_evidence() -> None:
    texts = ["Region", "North", "South", "Deposits", "1204", "3377", "9582", "Loans", "2019", "2020"]
    garbled = ["".join(chr(ord(letter) + 1) for letter in text) for text in texts]
    assert counts(texts, garbled) == (0, 0)
    assert counts([*texts, "Total"], [*garbled, "Total"]) == (1, 1)
    assert counts(texts, [*garbled[1:], garbled[0]]) == (10, 0)


def test_the_words_of_a_cell_are_read_line_by_line() -> None:
    words = [Word(Box(50, 11, 80, 19), "income"), Word(Box(5, 1, 40, 9), "Gross")]
    assert agreement([("Gross income", Box(0, 0, 90, 20))], Words(words)).agreeing == 1


@given(st.lists(st.text("abc019", max_size=3), max_size=12), st.lists(st.text("abc019", max_size=3), max_size=12))
def test_no_more_texts_agree_than_are_compared_and_an_example_is_one_that_differs(
    texts: list[str], found: list[str]
) -> None:
    result = agreement(cells(*texts), page(*found))
    assert 0 <= result.agreeing <= result.compared <= len(set(texts))
    if result.agreeing < result.compared:
        assert result.example is not None
    assert agreement(cells(*texts), page(*texts)).agreeing == agreement(cells(*texts), page(*texts)).compared


@pytest.mark.parametrize(
    ("found", "of_a_page", "of_a_document"),
    [
        (Agreement(), False, False),
        (Agreement(compared=30, agreeing=30, texts=30), False, False),
        (Agreement(compared=30, agreeing=15, texts=30), False, False),
        (Agreement(compared=30, agreeing=14, texts=30), True, True),
        (Agreement(compared=5, agreeing=2, texts=5), True, True),
        # Two of three that differ are slips; a document of which none agrees is not.
        (Agreement(compared=3, agreeing=1, texts=3), False, False),
        (Agreement(compared=3, agreeing=0, texts=3), False, True),
        (Agreement(compared=1, agreeing=0, texts=1), False, False),
        # A watermark over a scan: the text layer is silent about most cells.
        (Agreement(compared=5, agreeing=0, texts=12, silent=7), False, False),
        (Agreement(compared=12, agreeing=0, texts=30, silent=3), True, True),
        # Most cells with text hold nothing.
        (Agreement(texts=12, empty=7), True, True),
        (Agreement(texts=12, empty=6), False, False),
        (Agreement(texts=2, empty=2), False, True),
    ],
)
def test_a_page_or_a_document_is_contradicted_by_enough_texts_alone(
    found: Agreement, of_a_page: bool, of_a_document: bool
) -> None:
    assert found.contradicts is of_a_page
    assert found.contradicts_as_a_whole is of_a_document


def test_pages_add_up_to_their_document() -> None:
    one = agreement(cells("Rent", "Food"), page("Rent", "Cars"))
    both = total([Agreement(compared=1, agreeing=1, texts=1, silent=1, empty=1), one])
    assert (both.compared, both.agreeing, both.texts, both.silent, both.empty) == (3, 2, 1, 1, 1)
    assert both.example == ("Food", "Cars")
    assert total([]) == Agreement()


def test_the_page_that_has_the_texts_is_found() -> None:
    texts = cells("Rent", "Food", "Cars")
    others = {0: page("Rent", "Trips", "Paper"), 1: page("Rent", "Food", "Cars"), 2: page("Paper", "Trips", "Water")}
    assert better_page(texts, agreement(texts, others[2]), others) == 1
    assert better_page(texts, agreement(texts, others[1]), others) is None
    assert better_page(texts, Agreement(), {0: others[0], 2: others[2]}) is None
    assert better_page(texts, Agreement(), {}) is None


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ""),
        ([(2, 1), (3, 2)], "page_num is 1 too high; does the JSON count pages from 1"),
        ([(2, 4)], "page_num is 2 too low"),
        ([(2, 1), (3, 5)], "the texts of page 2 are on page 1: correct page_num"),
    ],
)
def test_where_the_texts_are_is_said(pairs: list[tuple[int, int]], expected: str) -> None:
    assert elsewhere(pairs).endswith(expected)


def test_the_sentence_names_the_place_the_counts_and_an_example() -> None:
    found = agreement(cells("Rent", "Food"), page("Cars", "Trips"))
    error = text_mismatch("page 3", found, "the texts of page 3 are on page 2: page_num is 1 too high")
    assert str(error) == (
        "On page 3, 0 of 2 texts agree with the words in their cells ('Cars' instead of 'Rent'); the texts of page 3 "
        "are on page 2: page_num is 1 too high."
    )
    assert error.quarantine_reason == "text_mismatch"
    empty = text_mismatch("all its pages", Agreement(texts=7, empty=6))
    assert str(empty).startswith("On all its pages, 6 of 7 cells with text hold neither word nor ink; is the PDF")
