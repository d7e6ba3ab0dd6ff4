"""HTML building blocks of the reports: page head, escaped text, names, numbers, headings.

The page head's policy lets no script run and nothing be fetched, whatever names and messages are on the page.
"""

import html
from collections.abc import Mapping, Sequence


def page_head(title: str, style: str) -> str:
    """The HTML from the doctype to the opened body; `style` is CSS."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<style>{style}</style></head>
<body>
"""


def scrolled(label: str) -> str:
    """Opens a `<div>` for content that may be wider than a phone. It can be focused, to scroll it by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">'


MAX_NAMES = 12  # in one sentence


def text(value: object) -> str:
    """Escapes any value as text."""
    return html.escape(str(value))


def name(value: str) -> str:
    """A name, isolated so that one in a right-to-left script does not reorder the text around it."""
    return f"<bdi>{text(value)}</bdi>"


def names(values: Sequence[str]) -> str:
    """A list of names, at most the first MAX_NAMES."""
    shown = ", ".join(map(name, values[:MAX_NAMES]))
    return shown if len(values) <= MAX_NAMES else f"{shown} and {number(len(values) - MAX_NAMES)} more"


def number(value: int) -> str:
    """An integer with thousands separators."""
    return f"{value:,}"


def count(value: int, noun: str) -> str:
    """A number and its noun, in the plural unless it is 1."""
    return f"{number(value)} {noun}" if value == 1 else f"{number(value)} {noun}s"


def tally(counts: Mapping[str, int]) -> str:
    """The count of each kind, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number(found)}&nbsp;×&nbsp;{text(kind)}" for kind, found in ordered)


def heading(place: str, title: str, found: int, kind: str = "") -> str:
    """A section's heading with the number of its entries; `kind` is "bad" or "odd" if they need attention."""
    return f'<h2 id="{place}" class="{kind}">{title} <span class="soft">{number(found)}</span></h2>\n'
