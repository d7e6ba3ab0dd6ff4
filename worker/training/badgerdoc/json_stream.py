"""Splits the text of a JSON document into its pages, one at a time: a thousand at once take fifty megabytes. Pure."""

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class JsonPage:
    """One element of `pages`: its JSON text and the names of its fields, if it is an object."""

    text: str
    fields: frozenset[str]


def split_pages(text: str) -> Iterator[JsonPage]:
    """The elements of the list `pages` in the JSON object `text`; its other fields are skipped.

    Raises ValueError (JSONDecodeError if it is no JSON) when it reaches the faulty place, and RecursionError.
    """
    found = False
    at = _after(text, _skip_space(text, 0), "{")
    while text[at : at + 1] != "}":
        name, at = _value(text, at)
        if not isinstance(name, str):
            raise json.JSONDecodeError("a field's name is expected", text, at)
        at = _after(text, at, ":")
        if name == "pages" and not found and text[at : at + 1] == "[":
            found = True
            at = yield from _elements(text, at)
        else:
            _, at = _value(text, at)
            if name == "pages":
                raise ValueError("pages: there must be one list of pages")
        if text[at : at + 1] != ",":
            break
        at = _after(text, at, ",")
    if _after(text, at, "}") != len(text):
        raise json.JSONDecodeError("the text goes on after its end", text, at)
    if not found:
        raise ValueError("pages: Field required")


def _elements(text: str, at: int) -> Generator[JsonPage, None, int]:
    """Yields each element of the list at `at`; returns where the next token begins."""
    at = _after(text, at, "[")
    while text[at : at + 1] != "]":
        start = at
        value, at = _value(text, at)
        yield JsonPage(text[start:at].rstrip(), frozenset(value) if isinstance(value, dict) else frozenset())
        if text[at : at + 1] != "]":
            at = _after(text, at, ",")
    return _after(text, at, "]")


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value at `at`, and where the next token begins."""
    value, end = _DECODER.raw_decode(text, at)
    return value, _skip_space(text, end)


def _after(text: str, at: int, token: str) -> int:
    """Where the token after `token` begins. Raises JSONDecodeError if `token` is not at `at`."""
    if text[at : at + 1] != token:
        raise json.JSONDecodeError(f"{token!r} is expected", text, at)
    return _skip_space(text, at + 1)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
