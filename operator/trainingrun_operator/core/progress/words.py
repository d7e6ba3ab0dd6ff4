"""What workers say, read so that no byte of it can do harm.

A worker's words end up in the status, in Events, in the columns of `kubectl get` and in the operator's log: in people's
terminals. So both ways by which they come in, reports and termination messages, pass through here.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from pydantic_core import from_json

_BREAKS = frozenset("\t\n\r\u2028\u2029")
# Unicode's control characters and halves of surrogate pairs, which are no text.
_CONTROLS = ("Cc", "Cs")
# These turn around the order in which a text is shown.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def read_words(raw: bytes | str) -> Any:
    """The data in a JSON text, with all of its texts, names included, made `printable()`.

    Raises:
        ValueError: it is no JSON, not UTF-8, or nested too deeply.
    """
    return _printable_data(from_json(raw))


def printable(text: str) -> str:
    """The text in one line: line breaks and tabs become spaces, all other control characters go."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_printable_char, text))


def _printable_char(char: str) -> str:
    if char in _BREAKS:
        return " "
    return "" if char in _DIRECTIONS or unicodedata.category(char) in _CONTROLS else char


def _printable_data(data: Any) -> Any:
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, list):
        return [_printable_data(each) for each in data]
    if isinstance(data, dict):
        return {printable(name): _printable_data(value) for name, value in data.items()}
    return data
