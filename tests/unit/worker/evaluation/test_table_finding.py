"""How many tables are found at the working score."""

import pytest

from tests.support.evaluation.pages import Label, detections, split_of, true_page
from training.evaluation.pages import Detections, EvaluatedSplit
from training.evaluation.table_finding import table_finding

UPPER: Label = (0, [100, 100, 400, 200])
LOWER: Label = (0, [100, 500, 400, 200])
EXACT, HALF = (100, 100, 500, 300), (100, 100, 500, 220)  # of UPPER: IoU 1 and .6


def finding(p50: float, r50: float, p75: float, r75: float) -> dict[str, float]:
    names = ("table_precision_50", "table_recall_50", "table_precision_75", "table_recall_75")
    return dict(zip(names, (p50, r50, p75, r75), strict=True))


@pytest.mark.parametrize(
    ("labels", "found", "expected"),
    [
        ([UPPER], detections((*EXACT, 0.9, 0)), finding(1, 1, 1, 1)),
        ([UPPER], detections((*HALF, 0.9, 0)), finding(1, 1, 0, 0)),
        ([UPPER, LOWER], detections((*EXACT, 0.9, 0)), finding(1, 0.5, 1, 0.5)),
        # The surer one takes the label, whatever the order; the other is wrong.
        ([UPPER], detections((*EXACT, 0.4, 0), (*HALF, 0.9, 0)), finding(0.5, 1, 0.5, 1)),
        ([UPPER], detections((*EXACT, 0.29, 0)), finding(0, 0, 0, 0)),
        ([UPPER], detections((*EXACT, 0.9, 1), (*EXACT, 0.9, 2)), finding(0, 0, 0, 0)),
        ([UPPER], detections(), finding(0, 0, 0, 0)),
        ([], detections((*EXACT, 0.9, 0)), {}),
        ([(1, [1, 1, 5, 5])], detections(), {}),
    ],
)
def test_tables_are_matched_one_to_one_the_surest_first(
    labels: list[Label], found: Detections, expected: dict[str, float]
) -> None:
    assert table_finding(split_of({1: true_page(*labels)}, {1: found})) == pytest.approx(expected)


def test_all_pages_count_also_those_without_tables_or_detections() -> None:
    pages = {1: true_page(UPPER), 2: true_page(), 3: true_page(LOWER)}
    found = {1: detections((*EXACT, 0.9, 0)), 2: detections((*EXACT, 0.9, 0))}
    assert table_finding(split_of(pages, found)) == finding(0.5, 0.5, 0.5, 0.5)


def test_a_dataset_without_tables_has_no_such_metrics() -> None:
    assert table_finding(EvaluatedSplit(classes=("figure",), pages={1: true_page(UPPER)}, detections={})) == {}
