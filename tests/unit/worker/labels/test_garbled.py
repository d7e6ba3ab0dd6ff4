"""Text layers in a code, and texts that are simply others."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.labels.garbled import is_garbled

TEXTS = ["Region", "North", "South", "Deposits in total", "1,204", "3,377", "9,582", "Loans", "2019", "2020", "2021"]


def shifted(by: int) -> Callable[[str], str]:
    return lambda text: "".join(chr(ord(character) + by) for character in text)


@pytest.mark.parametrize("by", [1, -1, 5, 0xE000])
def test_a_shift_of_all_characters_is_a_code_whether_or_not_it_hides_the_spaces(by: int) -> None:
    assert is_garbled((text, shifted(by)(text)) for text in TEXTS)
    assert is_garbled((text, " ".join(map(shifted(by), text.split()))) for text in TEXTS)


def test_a_bold_header_may_have_a_code_of_its_own() -> None:
    assert is_garbled([(text, shifted(1)(text)) for text in TEXTS[1:]] + [("Region", shifted(7)("Region"))])


@pytest.mark.parametrize(
    "found",
    [
        TEXTS,
        TEXTS[1:] + TEXTS[:1],
        [text.replace("20", "30").replace("1", "4") for text in TEXTS],
        ["x" * len(text) for text in TEXTS],
        [f"{text} COPY" for text in TEXTS],
    ],
    ids=["the same", "the next cell's", "other numbers", "blacked out", "under a stamp"],
)
def test_other_texts_are_no_code(found: list[str]) -> None:
    assert not is_garbled(zip(TEXTS, found, strict=True))


def test_few_characters_are_no_code() -> None:
    assert not is_garbled([(text, shifted(1)(text)) for text in TEXTS[:2]])


@given(st.lists(st.integers(1000, 9999), min_size=8, max_size=40), st.randoms(use_true_random=False))
def test_the_numbers_of_another_table_are_no_code(numbers: list[int], chance: random.Random) -> None:
    assert not is_garbled((str(number), str(chance.randrange(1000, 10000))) for number in numbers)
