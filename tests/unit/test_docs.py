"""The documentation: lines that fit a screen, and paths that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack import api_reference
from tests.support.paths import CRD, REPOSITORY

MOST_CHARACTERS_OF_A_LINE = 120
PAGES = sorted(path.relative_to(REPOSITORY) for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")))
# A path of this repository in backticks, or what a link leads to.
PATH = re.compile(r"`((?:operator|worker|crds|charts|configs|examples|docs|hack|tests)/[\w./-]+)`|\]\(([\w./-]+)\)")


def prose(page: Path) -> Iterator[str]:
    """The lines that are neither of a table, of code, nor of figures that a benchmark wrote."""
    is_code = is_generated = False
    for line in (REPOSITORY / page).read_text().splitlines():
        is_generated = is_generated or line.startswith("<!-- figures")
        if line.startswith("```"):
            is_code = not is_code
        elif not (is_code or is_generated or line.startswith(("|", "    "))):
            yield line
        is_generated = is_generated and not line.startswith("<!-- end of figures")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_lines_of_prose_fit_a_screen(page: Path) -> None:
    assert [line for line in prose(page) if len(line) > MOST_CHARACTERS_OF_A_LINE] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    missing = []
    for match in PATH.finditer((REPOSITORY / page).read_text()):
        named, linked = match.groups()
        path = REPOSITORY / named if named else REPOSITORY / page.parent / linked
        if not path.exists():
            missing.append(named or linked)
    assert missing == []


def test_the_api_reference_is_what_the_crd_says() -> None:
    expected = api_reference.page(yaml.safe_load(CRD.read_text()))
    assert api_reference.PAGE.read_text() == expected, "run `make api-reference`"
