"""A training's log: its lines, and the history that the logs of several attempts make."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.support.train.records import at, end, iteration, start, validation
from training.tracking.events import (
    CheckpointRecord,
    FinalTestRecord,
    Record,
    ScoredDocument,
    encode,
    parse,
)
from training.tracking.history import LOST, RUNNING, merge


def test_a_line_is_json_with_the_names_of_the_contract_and_is_read_back() -> None:
    record = iteration(0, 3, float("nan"))
    content = json.loads(encode(record))
    assert content == {
        "kind": "iteration",
        "time": "1970-01-01T00:00:00Z",
        "epoch": 1,
        "iteration": 3,
        "loss": None,
        "losses": {"loss_cls": None},
        "learningRate": 0.01,
        "seconds": 1.5,
        "dataSeconds": 0.1,
        "gpuMemoryBytes": None,
    }
    assert list(parse(encode(record))) == [iteration(0, 3, None)]


def test_the_test_is_read_with_its_documents_and_from_a_log_that_has_none() -> None:
    document = ScoredDocument(name="a", grits_top=0.5, grits_loc=0.25, tables=3)
    tested = FinalTestRecord(time=at(0), metrics={"bbox_mAP": 0.3}, documents=(document,))
    assert json.loads(encode(tested))["documents"] == [{"name": "a", "gritsTop": 0.5, "gritsLoc": 0.25, "tables": 3}]
    assert list(parse(encode(tested))) == [tested]
    assert list(parse(b'{"kind": "test", "time": "x", "metrics": {}}\n')) == [FinalTestRecord(time="x", metrics={})]


def test_lines_that_are_cut_or_of_another_version_are_passed_over() -> None:
    whole = encode(start(0)) + b'{"kind": "weather", "time": "x"}\n[]\n\n' + encode(iteration(1, 1, 2.0))
    assert list(parse(whole + encode(iteration(2, 2, 1.0))[:-20])) == [start(0), iteration(1, 1, 2.0)]


def test_where_attempts_overlap_the_later_one_counts() -> None:
    killed: list[Record] = [start(0), *(iteration(n, n, 10.0 + n) for n in range(1, 7)), validation(5, 1, 0.1)]
    second: list[Record] = [
        start(100, after=4, attempt=2),
        *(iteration(100 + n, n, 20.0 + n) for n in (5, 6, 7)),
        validation(110, 1, 0.2),
        CheckpointRecord(time=at(111), epoch=1, iteration=7, uri="x"),
        end(120, 7),
    ]
    third: list[Record] = [start(200, after=7, attempt=2), iteration(203, 8, 30.0), validation(204, 2, 0.5)]
    history = merge([third, killed, second])
    assert [(record.iteration, record.loss) for record in history.iterations] == [
        *((n, 10.0 + n) for n in range(1, 5)),
        *((n, 20.0 + n) for n in range(5, 8)),
        (8, 30.0),
    ]
    assert [(record.epoch, record.metrics["bbox_mAP"]) for record in history.validations] == [(1, 0.2), (2, 0.5)]
    assert [(item.number, item.result, item.last_iteration, item.seconds) for item in history.attempts] == [
        (1, LOST, 6, 5.0),
        (2, "interrupted", 7, 20.0),
        (3, RUNNING, 8, 4.0),
    ]
    assert [record.iteration for record in history.checkpoints] == [7]


def test_the_test_of_the_last_attempt_counts_and_a_log_without_a_start_does_not() -> None:
    document = ScoredDocument(name="a", grits_top=0.5, grits_loc=0.25, tables=3)
    tested = FinalTestRecord(time=at(3), metrics={"bbox_mAP": 0.3}, documents=(document,))
    history = merge([[start(0), tested, end(4, 8, "succeeded")], [iteration(9, 9, 1.0)], []])
    assert history.test == {"bbox_mAP": 0.3}
    assert history.documents == (document,)
    assert history.iterations == []
    assert [item.result for item in history.attempts] == ["succeeded"]
    assert merge([]).iterations_per_epoch == 1


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 9)), max_size=8).map(dict), max_size=4),
    st.randoms(use_true_random=False),
)
def test_merging_is_the_same_in_any_order_of_the_logs(losses: list[dict[int, float]], random: object) -> None:
    logs: list[list[Record]] = [
        [start(100 * index), *(iteration(100 * index, n, loss) for n, loss in sorted(found.items()))]
        for index, found in enumerate(losses)
    ]
    expected: dict[int, float] = {}
    for found in losses:
        expected |= found
    shuffled = list(logs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    history = merge(shuffled)
    assert history == merge(logs)
    assert {record.iteration: record.loss for record in history.iterations} == expected
    assert list(parse(b"".join(encode(record) for log in logs for record in log))) == [r for log in logs for r in log]
