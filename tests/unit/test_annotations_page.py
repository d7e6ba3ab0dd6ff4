"""docs/annotations.md: its examples are what the reader takes, and the options it names exist."""

import json
import re
from collections.abc import Callable, Sequence

import pytest

from tests.support.json_schema import accepts
from tests.support.paths import REPOSITORY
from tests.support.preprocess.annotation_pages import read_annotations
from training.annotations.importers import command as convert
from training.annotations.validate import command as validate
from training.badgerdoc.schema import SCHEMAS
from training.labels.labelling import header_boxes

PAGE = (REPOSITORY / "docs" / "annotations.md").read_text()
BADGERDOC, PLATFORM = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "example"), [("badgerdoc", BADGERDOC), ("platform", PLATFORM)])
def test_the_examples_are_told_by_their_fields_and_fit_their_schema(name: str, example: str) -> None:
    assert read_annotations(example.encode()) == read_annotations(example.encode(), name)
    assert accepts(SCHEMAS[name](), json.loads(example))


def test_the_example_of_badgerdoc_is_the_table_that_the_page_shows() -> None:
    [page] = read_annotations(BADGERDOC.encode())
    [table] = page.tables
    assert [(cell.row, cell.column, cell.rowspan, cell.colspan, cell.text) for cell in table.all_cells] == [
        (0, 0, 2, 1, "Region"),
        (0, 1, 1, 2, "Deposits (EUR million)"),
        (1, 1, 1, 1, "2023"),
        (1, 2, 1, 1, "2024"),
        (2, 0, 1, 1, "North"),
        (2, 1, 1, 1, "412"),
        (2, 2, 1, 1, "448"),
    ]
    [header] = header_boxes(table, [(cell, cell.bbox.box) for cell in table.header])
    assert table.bbox is not None
    assert header == table.bbox.box._replace(bottom=360)


def test_the_example_of_the_platform_is_one_table_with_a_header() -> None:
    [page] = read_annotations(PLATFORM.encode())
    [table] = page.tables
    assert [[cell.text for cell in cells] for cells in (table.header, table.cells)] == [["Region"], ["North"]]
    assert page.page_num == 0


@pytest.mark.parametrize(
    ("run", "heading", "following"),
    [(validate.run, "## Check them", "## From other formats"), (convert.run, "## From other formats", None)],
)
def test_the_page_names_exactly_the_options_of_a_command(
    run: Callable[[Sequence[str]], None], heading: str, following: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(["--help"])
    options = set(re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    section = PAGE.partition(heading)[2].partition(following or "\0")[0]
    named = set(re.findall(r"`(--[\w-]+)", section)) | set(re.findall(r" (--[\w-]+) [A-Z]", section))
    assert named == options
