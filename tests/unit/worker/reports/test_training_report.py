"""The report of a training: what it says in each state, and that nothing of others becomes markup."""

from collections.abc import Sequence
from typing import Any

from tests.support.train.judged import judged_page
from tests.support.train.records import end, iteration, start, validation
from training.reports.training_charts import continuations
from training.reports.training_report import PageContent, TrainingFacts, best_validation, training_html
from training.tracking.events import CheckpointRecord, FinalTestRecord, Record, ScoredDocument
from training.tracking.history import History, merge

NAUGHTY = '<script>alert("x")</script>'
FACTS = TrainingFacts(name=NAUGHTY, classes=("table", "Cell"), settings={"config": NAUGHTY, "seed": 3})
FIRST: list[Record] = [start(0), *(iteration(n, n, 5.0 - n) for n in range(1, 7)), validation(5, 1, 0.25)]
SECOND: list[Record] = [start(100, after=4, attempt=2), iteration(101, 5, 0.5), validation(160, 2, 0.125)]


def html(*logs: Sequence[Record], **more: Any) -> str:
    return "".join(training_html(PageContent(facts=FACTS, history=merge(logs), **more)))


def test_nothing_of_others_becomes_markup() -> None:
    failed = end(170, 8, "failed").model_copy(update={"message": NAUGHTY, "reason": "DataError"})
    checkpoint = CheckpointRecord(time=NAUGHTY, epoch=1, iteration=4, uri=NAUGHTY)
    page = html(
        FIRST,
        [*SECOND, checkpoint, failed],
        split="test",
        pictures=[(judged_page(NAUGHTY, right=1, missed=2), b"jpeg")],
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6
    assert "script-src" not in page
    assert "default-src 'none'" in page


def test_each_state_is_said_first() -> None:
    assert "Not started yet" in html()
    assert "Running; this page is of 1970-01-01T00:02:40Z" in html(FIRST, SECOND)
    stopped = end(170, 5).model_copy(update={"message": "SIGTERM ended it."})
    assert '<span class="odd">Interrupted.</span> SIGTERM ended it.' in html(FIRST, [*SECOND, stopped])
    assert '<span class="bad">Failed.</span>' in html([*FIRST, end(9, 6, "failed")])
    assert "The model is <code>s3://b/m.pth</code>" in html([*FIRST, end(9, 6, "succeeded")], model="s3://b/m.pth")


def test_warnings_about_the_model_are_said_at_the_top() -> None:
    page = html([*FIRST, end(9, 6, "succeeded")], model="s3://b/m.pth", warnings=["Epoch 1 was better <b>."])
    assert "Epoch 1 was better &lt;b&gt;." in page.partition("</header>")[0]


def test_precision_is_that_of_the_test_of_the_last_and_of_the_best_validation() -> None:
    tested = FinalTestRecord(time="1970-01-01T00:03:00Z", metrics={"bbox_mAP": 0.5, "Cell_mAP": 0.75})
    page = html(FIRST, [*SECOND, tested])
    rows = [part.split("</tr>")[0] for part in page.split('<tr><th scope="row">')]
    assert "test</th><td>0.500</td><td>–</td><td>–</td><td>–</td><td>0.750</td>" in rows
    assert any(row.startswith("val, epoch 2</th><td>0.125</td>") for row in rows)
    assert any(row.startswith("val, best: epoch 1</th><td>0.250</td>") for row in rows)


def test_tables_found_and_the_documents_with_the_worst_grids_are_named() -> None:
    found = {"table_precision_50": 0.75, "table_recall_50": 0.5, "grits_top": 0.875, "grits_loc": 0.625}
    documents = (
        ScoredDocument(name=NAUGHTY, grits_top=0.25, grits_loc=0.125, tables=1),
        ScoredDocument(name="perfect", grits_top=1, grits_loc=1, tables=2),
    )
    tested = FinalTestRecord(time="1970-01-01T00:03:00Z", metrics=found, documents=documents)
    page = html(FIRST, [*SECOND, tested])
    assert "test</th><td>0.750</td><td>0.500</td><td>–</td><td>–</td><td>0.875</td><td>0.625</td>" in page
    assert "GriTS-Top 0.250, GriTS-Loc 0.125, 1 labelled table" in page
    assert "&lt;script&gt;" in page
    assert "perfect" not in page
    assert "GriTS" not in html(FIRST, SECOND)


def test_attempts_are_told_apart_and_marked_where_they_continued() -> None:
    history = merge([FIRST, SECOND])
    (mark,) = continuations(history.attempts)
    assert (mark.x, mark.label) == (1.0, "#2")
    assert mark.meaning == "Attempt 1 was killed at iteration 6; attempt 2 continued after iteration 4"
    page = html(FIRST, SECOND)
    assert '<span class="bad">killed</span> without a word' in page
    assert "goes on" in page
    assert page.count("<figure>") == 5
    assert page.count('class="mark"') == 4  # no class was measured
    assert "GPU memory" not in page
    gpu = iteration(102, 6, 0.5).model_copy(update={"gpu_memory_bytes": 2**33})
    assert "GPU memory" in html([*SECOND, gpu])


def test_perfect_pages_are_said_to_be_so() -> None:
    assert "Every table and cell was found" in html(FIRST, split="val")
    assert "Worst pages" not in html(FIRST)


def test_there_is_no_best_of_nothing() -> None:
    assert best_validation(History()) is None
