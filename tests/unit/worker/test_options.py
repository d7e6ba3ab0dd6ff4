"""Command-line values in the forms that people write them."""

import argparse

import pytest

from training.errors import ConfigError
from training.options import OptionParser, boolean, positive_integer
from training.preprocess.parameters import allowance


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["--demo"], True),
        (["--demo", "True"], True),
        (["--demo=True"], True),
        (["--demo=false"], False),
        (["--demo", "False"], False),
        (["--demo", "0"], False),
        (["--demo=YES"], True),
    ],
)
def test_a_boolean_option_is_read_in_every_usual_form(arguments: list[str], expected: bool) -> None:
    parser = OptionParser(prog="x", description="")
    parser.add_boolean("--demo", description="")
    assert parser.parse_args(arguments).demo is expected


@pytest.mark.parametrize("arguments", [["--demo=maybe"], ["--dem"], ["--other"], ["stray"]])
def test_a_wrong_command_line_is_a_configuration_error(arguments: list[str]) -> None:
    parser = OptionParser(prog="x", description="")
    parser.add_boolean("--demo", description="")
    with pytest.raises(ConfigError, match="--help"):
        parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("text", "total", "limit", "shown"),
    [("3", 100, 3, "3"), ("10%", 27, 2, "10%"), ("0", 9, 0, "0"), ("12.5%", 8, 1, "12.5%"), ("0%", 100, 0, "0%")],
)
def test_an_allowance_is_a_count_or_a_percentage(text: str, total: int, limit: int, shown: str) -> None:
    assert allowance(text).limit(total) == limit
    assert str(allowance(text)) == shown


@pytest.mark.parametrize("text", ["-1", "x", "101%", "-5%", "1.5", "", "%"])
def test_other_allowances_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        allowance(text)


def test_other_words_and_numbers_are_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        boolean("perhaps")
    for text in ("0", "-1", "x"):
        with pytest.raises(argparse.ArgumentTypeError):
            positive_integer(text)
