"""Command-line parsing: argparse with typed errors, booleans such as `--verbose=True` or `--demo False`, numbers."""

import argparse
import math
from typing import NoReturn

from training.errors import ConfigError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class OptionParser(argparse.ArgumentParser):
    """argparse that raises ConfigError (exit code 64) instead of exiting with 2, and refuses abbreviated options."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; `{self.prog} --help` lists the options.")

    def add_boolean(self, *names: str, default: bool = False, description: str) -> None:
        """Add a boolean option whose value may be left out: `--demo`, `--demo True` and `--demo=true` mean the same."""
        self.add_argument(
            *names, type=boolean, nargs="?", const=True, default=default, metavar="True|False", help=description
        )


def boolean(text: str) -> bool:
    """Parse true/false, yes/no, on/off, 1/0, in upper or lower case. Raises ArgumentTypeError for other words."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is not a boolean; write True or False")


def positive_integer(text: str) -> int:
    """Parse an integer of at least 1. Raises ArgumentTypeError for anything else."""
    return _integer(text, least=1)


def whole_number(text: str) -> int:
    """Parse an integer of at least 0. Raises ArgumentTypeError for anything else."""
    return _integer(text, least=0)


def positive_number(text: str) -> float:
    """Parse a finite number above 0. Raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def probability(text: str) -> float:
    """Parse a number from 0 to 1. Raises ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _integer(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value
