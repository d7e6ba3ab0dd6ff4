"""The pure parts of the benchmark: which pages the raw renderer draws, how time is divided up, and the tables."""

from pathlib import Path

import pytest

from hack.bench import naive, raw
from hack.bench.corpora import without_a_cell
from hack.bench.figures import (
    BEGIN,
    END,
    Measured,
    Run,
    Series,
    cpu_table,
    memory_table,
    ratio,
    spread,
    targets_table,
    time_table,
    wall,
    with_figures,
)
from hack.bench.measure import Usage, sum_parts
from hack.bench.raw import Call

A, B = Path("a.pdf"), Path("b c.pdf")


def series(title: str, pages: int, *seconds: float, peak_mebibytes: int = 0) -> Series:
    parts = {"poppler": 0.5, "not seen": 0.0}
    runs = (Run(Usage(wall, 2 * wall, peak_mebibytes << 20, parts), 0.25) for wall in seconds)
    return Series(title, pages, tuple(runs))


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param([(A, [0, 1, 2])], [Call(A, 1, 3)], id="consecutive pages in one call"),
        pytest.param([(A, [0, 2, 3])], [Call(A, 3, 4), Call(A, 1, 1)], id="a page that is not annotated is not drawn"),
        pytest.param(
            [(A, list(range(45)))], [Call(A, 1, 20), Call(A, 21, 40), Call(A, 41, 45)], id="a long document in parts"
        ),
        pytest.param([(A, [0]), (B, [0, 1])], [Call(B, 1, 2), Call(A, 1, 1)], id="the most pages first"),
        pytest.param([(A, [])], [], id="a document without annotated pages"),
    ],
)
def test_the_raw_renderer_draws_the_annotated_pages_and_no_others(
    documents: list[tuple[Path, list[int]]], expected: list[Call]
) -> None:
    assert raw.calls(documents) == expected


def test_xargs_gets_six_arguments_for_each_call_whatever_the_file_is_called() -> None:
    text = raw.calls_text([Call(B, 3, 4)], Path("out"))
    assert text.split("\0") == ["-f", "3", "-l", "4", "b c.pdf", "out/00000", ""]
    command = raw.command(Path("calls"), dpi=120, processes=2)
    assert command[command.index("-n") + 1] == "6"


def test_cpu_time_is_divided_up_by_kind_of_process_and_nothing_counts_twice() -> None:
    samples = {
        1: ("python3", 2.0, 0.25),  # ran pdftoppm -v
        2: ("fork server", 0.5, 9.0),  # its ended children are workers, which were seen themselves
        3: ("worker", 3.0, 4.0),
        4: ("pdftoppm", 1.0, 0.0),  # counted again once it has ended
    }
    parts = sum_parts(samples, root=1, total_s=10.0)
    assert parts == {"main process": 2.0, "worker processes": 3.5, "poppler": 4.25, "not seen": 0.25}


def test_a_spread_shows_minimum_median_and_maximum() -> None:
    assert spread([3.0, 1.0, 1000.0, 2.0], 1) == "1.0 / 2.5 / 1,000.0"


def test_ratios_are_page_for_page() -> None:
    base, other = series("raw", 100, 1.0, 2.0, 3.0), series("naive", 50, 4.0, 10.0, 11.0)
    assert ratio(other, base, wall) == pytest.approx(10.0)
    assert ratio(other, base, wall, min) == pytest.approx(8.0)


def test_the_tables_hold_every_way_with_its_ratios() -> None:
    measured = Measured("corpus", series("raw", 100, 4.0), series("ours", 100, 5.0), naive=(series("naive", 50, 50.0),))
    times = time_table(measured).splitlines()
    assert times[2].startswith("| raw | 100 | 4.00 / 4.00 / 4.00 | 25.0 | 8.00 |")
    assert times[3].endswith("| 1.25 | 1.25 | 1.25 |")
    assert times[4].endswith("| 25.00 | 25.00 | 25.00 |")
    targets = targets_table([measured]).splitlines()
    assert targets[2] == "| corpus: ours / raw | at most 1.25 | 1.25 | 1.25 | 1.25 |"
    assert targets[3] == "| corpus: naive / ours | at least 10 | 20.0 | 20.0 | 20.0 |"
    assert cpu_table([measured]).splitlines()[2] == "| corpus | 80.0 | 5.0 | 0.0 | 2.5 |"


def test_peak_memory_of_a_large_corpus_is_compared_with_that_of_the_small_one() -> None:
    few, many = series("few", 100, 1.0, peak_mebibytes=200), series("many", 1000, 1.0, peak_mebibytes=220)
    rows = memory_table([few, many]).splitlines()[2:]
    assert rows == ["| few | 100 | 200 / 200 / 200 |  |", "| many | 1,000 | 220 / 220 / 220 | 1.10 |"]


def test_figures_are_replaced_between_their_marks_alone() -> None:
    begin = BEGIN.format("bench-preprocess")
    document = f"# Title\n\n{begin}\n\nold\n\n{END}\n\nafter\n"
    once = with_figures(document, "new\n", of="bench-preprocess")
    assert once == f"# Title\n\n{begin}\n\nnew\n\n{END}\n\nafter\n"
    assert with_figures(once, "new", of="bench-preprocess") == once
    with pytest.raises(ValueError, match="has no line"):
        with_figures("# Title\n", "new", of="bench-preprocess")


def test_a_changed_document_lacks_one_cell_and_the_original_is_left_alone() -> None:
    document = {"pages": [{"blocks": [{"type": "table", "cells": [{"row": 0}, {"row": 1}]}]}]}
    assert without_a_cell(document) == {"pages": [{"blocks": [{"type": "table", "cells": [{"row": 0}]}]}]}
    assert len(document["pages"][0]["blocks"][0]["cells"]) == 2
    with pytest.raises(ValueError, match="no table"):
        without_a_cell({"pages": [{"blocks": []}]})


def test_the_naive_script_labels_tables_cells_and_headers_as_ours_does() -> None:
    def cell(row: int, column: int) -> dict[str, object]:
        box = {"left": 10 * column, "top": 10 * row, "width": 10, "height": 10}
        return {"row": row, "column": column, "rowspan": 1, "colspan": 1, "bbox": box}

    table = {
        "type": "table",
        "bbox": {"left": 0, "top": 0, "width": 20, "height": 20},
        "header": [cell(0, 0), cell(0, 1), cell(1, 0)],
        "cells": [cell(1, 1)],
    }
    words = [(2.0, 2.0, 8.0, 8.0), (12.0, 12.0, 14.0, 18.0), (15.0, 12.0, 18.0, 18.0)]
    labels = naive.labels_of({"blocks": [table, {"type": "text_block"}]}, words)
    assert labels == [
        (1, (0, 0, 20, 20)),
        (2, (2.0, 2.0, 8.0, 8.0)),
        (2, (12.0, 12.0, 18.0, 18.0)),
        (3, (0, 0, 20, 10)),
        (3, (0, 10, 10, 20)),
    ]
