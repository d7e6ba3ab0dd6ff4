"""Texts that are the same to people, and texts that are not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from training.labels.texts import difference, is_comparable, shown, similarity


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Gross income", "GROSS\nINCOME"),
        ("administration", "admin- istration"),
        ("co\u00adoperation", "cooperation"),  # a soft hyphen
        ("efficient flow", "e\ufb03cient \ufb02ow"),  # ligatures
        ("CO2 m3", "CO\u2082 m\u00b3"),
        ("Straße", "STRASSE"),
        ("e\u0301te\u0301", "été"),
        ("1 200,50", "1.200,50"),
        ("−5", "-5"),
        ("売上高合計", "売上 高 合計"),
        ("ＡＢＣ１２", "ABC12"),
        ("שלום עולם", "םלוע םולש"),  # as it is drawn, from the left
        ("مجموع", "\ufee3\ufea0\ufee4\ufeee\ufecb"),  # the letters' forms within words
        ("Amount", "Arnount"),  # as OCR reads it
        ("to air kg/year", "kg/year to air"),
        ("Total 1)", "Total1"),
        ("7", "7 %"),
    ],
)
def test_one_text_in_two_spellings_is_the_same(text: str, found: str) -> None:
    assert is_comparable(text, found)
    assert difference(text, found) is None
    assert difference(found, text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("Rent", "Food"), ("2019", "340"), ("1200", "55"), ("7", "8"), ("売上高", "合計"), ("a b", "c d")],
)
def test_another_text_differs(text: str, found: str) -> None:
    assert difference(text, found) == (text, found)


@pytest.mark.parametrize(
    ("text", "found"), [("", "x"), ("-", "–"), ("…", "Rent"), ("✓", "Rent"), ("\ue000\ue001", "Rent"), ("Rent", "E")]
)
def test_what_says_nothing_is_not_compared(text: str, found: str) -> None:
    assert not is_comparable(text, found)
    assert difference(text, found) is None


@example("R¸", "")
@given(st.text(), st.text())
def test_similarity_is_a_fraction_and_the_order_does_not_matter(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) == similarity(other, one) <= 1
    assert similarity(one, one) == 1


def test_a_text_is_shown_on_one_line_and_cut() -> None:
    assert shown("two\nlines") == "'two lines'"
    assert shown("x" * 99) == f"'{'x' * 40}…'"
    assert shown("\x00\ud800") == r"'\x00\ud800'"
