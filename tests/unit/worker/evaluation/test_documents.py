"""The tables of each document, as infer would write them, against the labelled ones."""

import numpy as np
import pytest

from tests.support.evaluation.pages import dense_page, detections, perfect, split_of, table_labels, true_page
from training.evaluation import documents
from training.evaluation.documents import DocumentScore, DocumentScores, score_documents
from training.evaluation.pages import EvaluatedSplit

ABOVE, BELOW = table_labels(rows=4, columns=3), table_labels(rows=5, columns=2, top=400)
BOTH = [*ABOVE, *BELOW]


def test_perfect_detections_give_perfect_grids_also_of_dense_pages() -> None:
    dense, found = dense_page(rows=25, columns=5, name="dense_0.jpg")
    pages = {1: dense, 2: true_page(*BOTH, name="two_tables_0.jpg")}
    scores = score_documents(split_of(pages, {1: found, 2: perfect(*BOTH)}))
    assert list(scores.scores) == [
        DocumentScore(name="dense", grits_top=1, grits_loc=1, tables=1),
        DocumentScore(name="two_tables", grits_top=1, grits_loc=1, tables=2),
    ]
    assert scores.metrics() == {"grits_top": 1.0, "grits_loc": 1.0}
    assert scores.left_out == 0


def test_a_missed_and_a_wrong_table_count_by_their_places() -> None:
    # Of 12 + 10 places 12 are found.
    assert score_documents(split_of({1: true_page(*BOTH)}, {1: perfect(*ABOVE)})).scores[0].grits_top == pytest.approx(
        2 * 12 / (22 + 12)
    )
    assert score_documents(split_of({1: true_page(*ABOVE)}, {1: perfect(*BOTH)})).scores[0].grits_top == pytest.approx(
        2 * 12 / (12 + 22)
    )


def test_the_pages_of_a_document_count_together_and_each_document_once() -> None:
    pages = {
        1: true_page(*ABOVE, name="a_b_0.jpg"),
        2: true_page(*ABOVE, name="a_b_1.jpg"),
        3: true_page(*ABOVE, name="c_0.jpg"),
        4: true_page(name="without_tables_0.jpg"),
    }
    scores = score_documents(split_of(pages, {1: perfect(*ABOVE), 3: perfect(*ABOVE)}))
    assert [(score.name, score.tables) for score in scores.scores] == [("a_b", 2), ("c", 1)]
    assert scores.scores[0].grits_top == pytest.approx(2 / 3)
    assert scores.metrics()["grits_top"] == pytest.approx((2 / 3 + 1) / 2)


def test_detections_below_the_working_score_do_not_count() -> None:
    unsure = perfect(*ABOVE)
    unsure[:, 4] = 0.29
    assert score_documents(split_of({1: true_page(*ABOVE)}, {1: unsure})).metrics() == {
        "grits_top": 0.0,
        "grits_loc": 0.0,
    }


def test_a_row_that_is_not_detected_costs_its_places() -> None:
    found = perfect(*(label for label in ABOVE if not (label[0] == 1 and 20 + 40 < label[1][1] < 20 + 60)))
    assert len(found) == len(ABOVE) - 3
    (score,) = score_documents(split_of({1: true_page(*ABOVE)}, {1: found})).scores
    assert (score.grits_top, score.grits_loc) == pytest.approx((2 * 9 / 21, 2 * 9 / 21))


def test_too_many_and_too_large_documents_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {image: true_page(*ABOVE, name=f"d{image}_0.jpg") for image in range(1, 6)}
    split = split_of(pages, {image: perfect(*ABOVE) for image in pages})
    monkeypatch.setattr(documents, "MAX_BOXES", 2 * len(ABOVE))
    assert (len(score_documents(split).scores), score_documents(split).left_out) == (2, 3)
    monkeypatch.setattr(documents, "MAX_BOXES_ON_PAGE", len(ABOVE) - 1)
    assert score_documents(split) == DocumentScores(scores=[], left_out=5)
    monkeypatch.undo()
    monkeypatch.setattr(documents, "MAX_PAIRS", 12 * 12 - 1)
    assert score_documents(split) == DocumentScores(scores=[], left_out=5)


def test_other_classes_have_no_grids_and_are_not_counted_beside_tables() -> None:
    page = true_page(*ABOVE)
    assert score_documents(EvaluatedSplit(classes=("table", "figure", "header"), pages={1: page}, detections={})) == (
        DocumentScores(scores=())
    )
    with_figure = EvaluatedSplit(
        classes=("table", "Cell", "header", "figure"),
        pages={1: page},
        detections={1: np.concatenate([perfect(*ABOVE), detections((0, 0, 900, 900, 0.9, 3))])},
    )
    assert score_documents(with_figure).metrics()["grits_top"] == 1.0
