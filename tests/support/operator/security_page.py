"""What docs/security.md says, for tests that compare it with the chart and with a real API server."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.support.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
_ROW = re.compile(
    r"^\| (`.+?`) \| (?:(`[\w-]+`)? ?\| )?((?:get|list|watch|create|update|patch)(?:, \w+)*) \|", re.MULTILINE
)


class Right(NamedTuple):
    """One line of `kubectl auth can-i --list`: a resource with its group, or a path."""

    what: str
    name: str
    verbs: str


def documented() -> tuple[set[Right], set[Right]]:
    """What the chart gives the operator, and what every service account has."""
    section = PAGE.read_text().partition("\n## What the operator may do\n")[2].partition("\n## ")[0]
    own, everybodys = section.split("Beside these")
    return _rights(own), _rights(everybodys)


def policy() -> str:
    """The admission policy and its binding, as the page shows them."""
    return PAGE.read_text().partition("```yaml\n")[2].partition("```")[0]


def _rights(text: str) -> set[Right]:
    found = set()
    for whats, name, verbs in _ROW.findall(text):
        for what in re.findall(r"`(.+?)`", whats):
            found.add(Right(what, name.strip("`"), verbs.replace(",", "")))
    return found
