"""The head of a self-contained page, which may show what it carries and nothing else: no script runs and nothing is
fetched, whatever names and messages of others are in it.
"""

import html
from collections.abc import Mapping, Sequence


def page_head(title: str, style: str) -> str:
    """From the doctype to the opened body."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<style>{style}</style></head>
<body>
"""


def scrolled(label: str) -> str:
    """Opens what may be wider than a phone, up to its `</div>`; one that scrolls must be reached by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}">'


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


def heading(place: str, title: str, found: int, kind: str = "") -> str:
    """A section's heading with the number of what is in it; `kind` is "bad" or "odd" for what needs a look."""
    return f'<h2 id="{place}" class="{kind}">{title} <span class="soft">{number(found)}</span></h2>\n'
