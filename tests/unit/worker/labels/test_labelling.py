"""Blocks -> labelled boxes. The image has 1000 x 1400 pixels unless a test says otherwise."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.labelled import label_drawn
from tests.support.preprocess.words import words_at
from training.badgerdoc.document import Page
from training.documents.quarantine import DocumentError
from training.geometry import Box, Word
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.frames.frame import Placement, Projection
from training.labels.labelling import label_page


def no_ink(_: Box) -> None:
    return None


def box(left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}


def cell(row: int, column: int, place: dict[str, float], *, colspan: int = 1) -> dict[str, Any]:
    return {"row": row, "column": column, "colspan": colspan, "bbox": place}


def page(table: dict[str, Any], width: float = 1000, height: float = 1400) -> Page:
    block = {"type": "table", **table}
    return Page.model_validate({"page_num": 0, "bbox": box(0, 0, width, height), "blocks": [block]})


def labels(found: Sequence[LabelledBox], category: int) -> list[tuple[int, ...]]:
    return [tuple(label)[1:] for label in found if label.category == category]


def test_a_cell_is_shrunk_to_its_words_and_an_empty_one_is_left_out() -> None:
    cells = [cell(0, 0, box(100, 100, 200, 140)), cell(0, 1, box(200, 100, 300, 140))]
    words = words_at([Box(110.5, 110.2, 130, 125), Box(135, 110, 160.1, 126)])
    found = label_drawn(page({"bbox": box(100, 100, 300, 140), "cells": cells}), 1000, 1400, words, no_ink).boxes
    assert found == [LabelledBox(TABLE, 100, 100, 200, 40), LabelledBox(CELL, 110, 110, 51, 16)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # A row that reaches the last column is a header row.
        ([(0, 0, 1), (0, 1, 1), (0, 2, 1)], [(100, 100, 300, 40)]),
        ([(0, 2, 1)], [(300, 100, 100, 40)]),
        ([(0, 1, 2)], [(200, 100, 200, 40)]),
        # Any other row's header cells belong to the header columns.
        ([(1, 0, 1), (2, 0, 1)], [(100, 140, 100, 80)]),
        # Both kinds: two boxes, never more.
        ([(0, 0, 3), (1, 0, 3), (2, 0, 1), (3, 0, 1)], [(100, 100, 300, 80), (100, 180, 100, 80)]),
        ([], []),
    ],
)
def test_header_cells_make_at_most_one_box_of_rows_and_one_of_columns(
    header: list[tuple[int, int, int]], expected: list[tuple[int, ...]]
) -> None:
    def place(row: int, column: int, colspan: int) -> dict[str, Any]:
        left, top = 100 + 100 * column, 100 + 40 * row
        return cell(row, column, box(left, top, left + 100 * colspan, top + 40), colspan=colspan)

    body = [place(row, column, 1) for row in range(4) for column in range(3)]
    table = {"bbox": box(100, 100, 400, 260), "header": [place(*item) for item in header], "cells": body}
    assert labels(label_drawn(page(table), 1000, 1400, [], no_ink).boxes, HEADER) == expected


@pytest.mark.parametrize(
    ("width", "height", "factor"),
    [(1000, 1400, 1), (999, 1399, 1), (998, 1402, 1), (3333, 4667, 0.3), (500, 700, 2)],
)
def test_the_page_box_tells_the_scale_and_rounding_is_none(width: int, height: int, factor: float) -> None:
    table = {"bbox": box(100, 100, 300, 300)}
    left, top, wide, high = labels(label_drawn(page(table, width, height), 1000, 1400, [], no_ink).boxes, TABLE)[0]
    assert abs(left - 100 * factor) <= 1
    assert abs(top - 100 * factor) <= 1
    assert abs(wide - 200 * factor) <= 2
    assert abs(high - 200 * factor) <= 2


@pytest.mark.parametrize(
    ("table", "size", "reason"),
    [
        ({"bbox": box(0, 0, 10, 10)}, (1000, 1300), "coordinates"),
        ({"bbox": box(0, 0, 10, 10)}, (0, 0), "coordinates"),
        ({"bbox": box(900, 0, 1100, 10)}, (1000, 1400), "coordinates"),
        ({"bbox": box(0, -50, 10, 10)}, (1000, 1400), "coordinates"),
        # Numbers whose products are infinite.
        ({"bbox": box(1e308, 0, 1.5e308, 10)}, (100, 140), "coordinates"),
        ({"bbox": box(1, 0, 2, 10)}, (1e-308, 1.4e-308), "coordinates"),
        ({"bbox": box(0, 0, 0, 10)}, (1000, 1400), "empty_table"),
        ({"bbox": box(10, 10, 10.0005, 50)}, (1000, 1400), "empty_table"),
        ({"bbox": box(1, 0, 5, 5)}, (1e308, 1.4e308), "empty_table"),
        ({}, (1000, 1400), "empty_table"),
    ],
)
def test_what_cannot_be_placed_is_an_error(table: dict[str, Any], size: tuple[int, int], reason: str) -> None:
    with pytest.raises(DocumentError) as caught:
        label_drawn(page(table, *size), 1000, 1400, [], no_ink)
    assert caught.value.quarantine_reason == reason


def test_no_label_is_without_area() -> None:
    """One such box would end the run: COCO forbids it."""
    cells = [cell(0, 0, box(100, 100, 200, 140)), cell(1, 0, box(100, 140, 100.0005, 180))]
    table = {"bbox": box(100, 100, 200, 180), "header": [cell(2, 0, box(100, 140, 200, 140.0005))], "cells": cells}
    ink = Box(120, 110, 150, 130)
    # A word in a hidden font is none: what is drawn in the cell counts.
    found = label_drawn(page(table), 1000, 1400, words_at([Box(150, 120, 155, 120.0005)]), lambda _: ink).boxes
    assert found == [LabelledBox(TABLE, 100, 100, 100, 80), LabelledBox(CELL, 120, 110, 30, 20)]


def test_a_page_whose_box_does_not_begin_at_its_corner_says_that() -> None:
    moved = Page.model_validate(
        {"page_num": 0, "bbox": box(5, 7, 1005, 1407), "blocks": [{"type": "table", "bbox": box(10, 10, 50, 50)}]}
    )
    with pytest.raises(DocumentError, match=r"begins at \(5, 7\)") as caught:
        label_drawn(moved, 1000, 1400, [], no_ink)
    assert caught.value.quarantine_reason == "coordinates"


def test_a_box_slightly_over_the_edge_is_clipped() -> None:
    found = label_drawn(page({"bbox": box(-4, 5, 1004, 1410)}), 1000, 1400, [], no_ink).boxes
    assert found == [LabelledBox(TABLE, 0, 5, 1000, 1395)]


def test_a_table_without_a_box_is_where_its_cells_are() -> None:
    cells = [cell(0, 0, box(100, 100, 200, 140)), cell(1, 0, box(100, 140, 200, 180))]
    assert label_drawn(page({"cells": cells}), 1000, 1400, [], no_ink).boxes == [LabelledBox(TABLE, 100, 100, 100, 80)]


@pytest.mark.parametrize(("cells", "words"), [(20_001, 0), (1, 20_001)])
def test_more_than_a_page_can_hold_is_not_searched(cells: int, words: int) -> None:
    table = {"bbox": box(100, 100, 300, 140), "cells": [cell(0, 0, box(100, 100, 110, 110))] * cells}
    with pytest.raises(DocumentError, match="more than 20,000") as caught:
        label_drawn(page(table), 1000, 1400, words_at([Box(100, 100, 110, 110)] * words), no_ink)
    assert caught.value.quarantine_reason == "too_large"


def test_a_page_without_tables_needs_no_size() -> None:
    assert label_page(Page(page_num=0), Projection(Placement(1, 1, 0, 0), 10, 10), [], no_ink).boxes == []


SIDES = st.floats(1e-6, 40, allow_subnormal=False)
WORD_BOXES = st.lists(
    st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), st.floats(-5, 120), st.floats(-5, 120), SIDES, SIDES)
)


@given(WORD_BOXES, st.integers(1, 4), st.integers(1, 4))
def test_whatever_the_words_are_labels_have_an_area_and_lie_in_the_image(
    words: list[Box], rows: int, columns: int
) -> None:
    cells = [cell(r, c, box(25 * c, 25 * r, 25 * c + 25, 25 * r + 25)) for r in range(rows) for c in range(columns)]
    found = label_drawn(page({"cells": cells, "header": cells[:1]}, 100, 100), 100, 100, words_at(words), no_ink).boxes
    for label in found:
        assert min(label.width, label.height) > 0
        assert min(label.left, label.top) >= 0
        assert max(label.left + label.width, label.top + label.height) <= 100
    assert len(set(found)) == len(found)


def test_a_cell_with_text_that_ends_empty_and_one_with_another_text_are_remarked() -> None:
    cells = [
        cell(0, 0, box(100, 100, 200, 140)) | {"text": "Rent"},
        cell(0, 1, box(200, 100, 300, 140)) | {"text": "340"},
        cell(0, 2, box(300, 100, 400, 140)) | {"text": "Food"},
        cell(0, 3, box(400, 100, 500, 140)) | {"text": " "},
    ]
    words = [Word(Box(110, 110, 150, 125), "Rent"), Word(Box(210, 110, 250, 125), "55")]
    twice = page({"bbox": box(100, 100, 500, 140), "cells": cells * 2})
    found = label_drawn(twice, 1000, 1400, words, no_ink)
    assert [(remark.kind, remark.message) for remark in found.remarks] == [
        ("text_differs", "The cell at (200, 100) holds '55' instead of '340'."),
        ("text_without_label", "The cell at (300, 100) has the text 'Food', but neither word nor ink, so no label."),
    ]
    assert [remark.box for remark in found.remarks] == [Box(200, 100, 300, 140), Box(300, 100, 400, 140)]
    assert found.texts == tuple(
        (text, Box(left, 100, left + 100, 140)) for text, left in (("Rent", 100), ("340", 200), ("Food", 300))
    )
    counts = found.agreement
    assert (counts.compared, counts.agreeing, counts.texts, counts.silent, counts.empty) == (2, 1, 3, 0, 1)


@pytest.mark.parametrize(
    ("texts", "words", "remarks"),
    [
        ((None, None), [], ["table_without_content"]),
        ((None, None), [Box(110, 110, 130, 125)], []),
        # Each cell with a text says so itself.
        (("Food", None), [], ["text_without_label"]),
        # One cell alone may well be empty.
        ((None,), [], []),
    ],
)
def test_a_table_of_which_no_cell_holds_anything_is_remarked(
    texts: Sequence[str | None], words: Sequence[Box], remarks: list[str]
) -> None:
    cells = [
        cell(0, column, box(100 + 100 * column, 100, 200 + 100 * column, 140)) | {"text": text}
        for column, text in enumerate(texts)
    ]
    drawn = page({"bbox": box(100, 100, 300, 140), "cells": cells})
    assert [remark.kind for remark in label_drawn(drawn, 1000, 1400, words_at(words), no_ink).remarks] == remarks


def test_a_text_layer_says_nothing_about_cells_that_hold_ink_alone() -> None:
    cells = [cell(0, n, box(100 * n, 100, 100 * n + 100, 140)) | {"text": f"text {n}"} for n in range(3)]
    words = [Word(Box(10, 110, 50, 125), "text 0")]
    found = label_drawn(page({"cells": cells}), 1000, 1400, words, lambda cell: cell)
    assert (found.agreement.compared, found.agreement.silent) == (1, 2)
    assert found.inked == (Box(100, 100, 200, 140), Box(200, 100, 300, 140))
