"""How predicted tables are counted."""

from typing import Any

import pytest

from hack.documents.found_tables import FoundTables, compare

Box = tuple[int, int, int, int]  # left, top, width, height
A: Box = (100, 100, 400, 200)
NEARLY_A: Box = (110, 100, 400, 200)
B: Box = (100, 500, 400, 200)


def document(*pages: list[Box]) -> dict[str, Any]:
    def block(box: Box) -> dict[str, Any]:
        return {"type": "table", "bbox": dict(zip(("left", "top", "width", "height"), box, strict=True))}

    text = {"type": "text_block", "bbox": {"left": 0, "top": 0, "width": 9, "height": 9}}
    return {
        "pages": [{"page_num": i, "blocks": [text, *(block(box) for box in boxes)]} for i, boxes in enumerate(pages)]
    }


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        pytest.param([[A, B]], [[NEARLY_A, B]], FoundTables(2, 2, 0), id="all"),
        pytest.param([[A, B]], [[A]], FoundTables(1, 2, 0), id="one is missing"),
        pytest.param([[A]], [[A, NEARLY_A]], FoundTables(1, 1, 1), id="the same table twice"),
        pytest.param([[A]], [[B]], FoundTables(0, 1, 1), id="elsewhere"),
        pytest.param([[A], []], [[], [A]], FoundTables(0, 1, 1), id="on another page"),
        pytest.param([[]], [[]], FoundTables(0, 0, 0), id="no tables"),
        pytest.param([[A], [B]], [[A]], FoundTables(1, 2, 0), id="a page that was not predicted"),
    ],
)
def test_each_prediction_counts_for_one_table(
    truth: list[list[Box]], predicted: list[list[Box]], expected: FoundTables
) -> None:
    assert compare(document(*truth), document(*predicted)) == expected
