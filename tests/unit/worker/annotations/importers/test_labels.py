"""What the labels of other formats mean."""

import pytest

from training.annotations.importers.formats.labels import LabelNames
from training.annotations.tools.tool_page import ToolBox, ToolPage
from training.errors import ConfigError
from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE

BOX = Box(0, 0, 9, 9)


def test_our_own_names_are_known_in_any_case() -> None:
    names = LabelNames.parse([])
    assert [names.category(label) for label in ("Table", " cell", "HEADER")] == [TABLE, CELL, HEADER]


def test_options_add_names_and_leave_labels_out() -> None:
    names = LabelNames.parse(["th=header", "a=b=cell", "Figure=none", "table=none"])
    assert [names.category(label) for label in ("TH", "a=b", "figure", "table")] == [HEADER, CELL, None, None]


@pytest.mark.parametrize("option", ["th", "=header", "th=headers", "th="])
def test_an_option_that_says_nothing_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="write LABEL=NAME"):
        LabelNames.parse([option])


def test_labels_of_unknown_meaning_are_listed() -> None:
    pages = [ToolPage("a.jpg", None, tuple(ToolBox(label, BOX) for label in ("table", "th", "td", "th")))]
    with pytest.raises(ConfigError, match=r"'td', 'th' is unknown.*--label 'td'=Cell"):
        LabelNames.parse([]).check(pages)
    LabelNames.parse(["td=Cell", "th=none"]).check(pages)
