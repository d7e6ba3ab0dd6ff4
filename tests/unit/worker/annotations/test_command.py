"""The list of commands, and choosing one."""

from collections.abc import Sequence

import pytest

from training.annotations.command import Command, run, usage
from training.errors import ConfigError

SEEN: list[Sequence[str]] = []
COMMANDS = {"check": Command("says what is wrong", SEEN.append), "draw": Command("draws them", SEEN.append)}


def test_usage_lists_each_command_with_what_it_does() -> None:
    assert "  check  says what is wrong\n  draw   draws them\n" in usage(COMMANDS)


def test_a_command_gets_the_arguments_after_its_name() -> None:
    run(["check", "--all", "folder"], COMMANDS)
    assert SEEN[-1] == ["--all", "folder"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_the_list_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(arguments, COMMANDS)
    assert capsys.readouterr().out.startswith("usage: python3 -m training.annotations COMMAND")


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'chek' is no command; choose one of check, draw"):
        run(["chek"], COMMANDS)
