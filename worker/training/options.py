"""Command-line values in the forms that people write them: `--verbose=True`, `--demo False`, `10%`."""

import argparse
import math
from typing import NoReturn

from training.errors import ConfigError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class OptionParser(argparse.ArgumentParser):
    """argparse that raises ConfigError (exit 64) instead of exiting 2, and refuses abbreviated options."""

    def __init__(self, *, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; `{self.prog} --help` lists the options.")

    def add_boolean(self, *names: str, default: bool = False, description: str) -> None:
        """A boolean that takes a value or none: `--demo`, `--demo True` and `--demo=true` are equal."""
        self.add_argument(
            *names, type=boolean, nargs="?", const=True, default=default, metavar="True|False", help=description
        )


def boolean(text: str) -> bool:
    """True or False from the usual words, in any case. Raises ArgumentTypeError for others."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is not a boolean; write True or False")


def positive_integer(text: str) -> int:
    """An integer of at least 1. Raises ArgumentTypeError for others."""
    return _integer(text, least=1)


def whole_number(text: str) -> int:
    """An integer of at least 0. Raises ArgumentTypeError for others."""
    return _integer(text, least=0)


def positive_number(text: str) -> float:
    """A finite number above 0. Raises ArgumentTypeError for others."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _integer(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value
