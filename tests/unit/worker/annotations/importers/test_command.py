"""What `convert` says at its end."""

import pytest

from training.annotations.importers.command import check_results, summary
from training.annotations.importers.convert import Written
from training.annotations.importers.grouping import Unplaced
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import DataError

GOOD = Written("good", pages=3, tables=4, cells=1200, without_cells=0)
BARE = Written("bare", pages=1, tables=2, cells=0, without_cells=2)
BAD = QuarantinedDocument("bad", Reason.SCHEMA, "The header at (1, 2) has no cells; draw them, or delete it.")
LOST = Unplaced("lost.jpg", "No PDF has its name.")


def test_what_was_left_out_comes_first_with_its_reason_then_what_was_written() -> None:
    assert summary([GOOD, BARE, BAD], [LOST], "out") == [
        "lost.jpg: left out: No PDF has its name.",
        "bad: left out: The header at (1, 2) has no cells; draw them, or delete it.",
        "2 tables have no cells: a network trained on them learns not to find any",
        "out: 2 documents, 4 pages, 6 tables, 1,200 cells",
        "check them with `python3 -m training.annotations validate out`",
    ]


def test_nothing_that_was_written_need_not_be_checked() -> None:
    assert summary([BAD], [], "out")[-1] == "out: 0 documents, 0 pages, 0 tables, 0 cells"


def test_the_exit_code_tells_whether_anything_was_left_out() -> None:
    check_results([GOOD, BARE], [])
    with pytest.raises(DataError, match="1 documents or images were left out"):
        check_results([GOOD, BAD], [])
    with pytest.raises(DataError, match="1 documents or images were left out"):
        check_results([GOOD], [LOST])
    with pytest.raises(DataError, match="The source has no page"):
        check_results([], [])
