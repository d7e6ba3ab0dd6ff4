"""Words, numbers, names and links of the review page, as HTML. Names come from documents of others: all is escaped."""

import html
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from training.layout import drawing_key
from training.source import file_stem

MAX_NAMES = 12  # in one sentence


def text(value: object) -> str:
    """Any text."""
    return html.escape(str(value))


def name(value: str) -> str:
    """A name, which keeps to itself whichever way its script runs."""
    return f"<bdi>{text(value)}</bdi>"


def names(values: Sequence[str]) -> str:
    """A list of names; of very many the first ones."""
    shown = ", ".join(map(name, values[:MAX_NAMES]))
    return shown if len(values) <= MAX_NAMES else f"{shown} and {number(len(values) - MAX_NAMES)} more"


def number(value: int) -> str:
    """A whole number."""
    return f"{value:,}"


def count(value: int, noun: str) -> str:
    """So many of them."""
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def tally(counts: Mapping[str, int]) -> str:
    """How many of each, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number(found)}&nbsp;×&nbsp;{text(kind)}" for kind, found in ordered)


def link(document: str, page: int) -> str:
    """The address of a page's drawing, relative to the review page."""
    return html.escape(quote(drawing_key(file_stem(document), page)))


def heading(place: str, title: str, found: int, kind: str = "") -> str:
    """A section's heading with the number of what is in it; `kind` is "bad" or "odd" for what needs a look."""
    return f'<h2 id="{place}" class="{kind}">{title} <span class="soft">{number(found)}</span></h2>\n'
