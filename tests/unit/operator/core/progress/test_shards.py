"""The progress of a stage that several pods share."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import ValidationError

from tests.support.operator.world import START
from trainingrun_operator.core.progress.report import Report, Shard
from trainingrun_operator.core.progress.shards import ShardReports, total_throughput
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.resource.status import Progress, Stage

OF = 4


def report(sequence: int = 1, **fields: Any) -> Report:
    body = {"attempt": 1, "sequence": sequence, "stage": "preprocess", **fields}
    return Report.model_validate_json(json.dumps(body))


def begun(written: Progress | None = None, of: int = OF, **fields: Any) -> ShardReports:
    return ShardReports.begun(report(**fields), Shard(index=0, of=of), written)


def heard(reports: dict[int, dict[str, Any]], start: ShardReports | None = None) -> ShardReports:
    shards = start or begun()
    for index, fields in reports.items():
        taken = shards.take(report(**fields), Shard(index=index, of=shards.of), f"pod-{index}", from_newest_pod=True)
        assert taken is not None
        shards = taken
    return shards


def written(percent: int, stage: str = "preprocess", attempt: int = 1) -> Progress:
    last = report(stage=stage, attempt=attempt, percent=float(percent))
    progress = advance(ProgressState(), last, None, START).progress
    assert progress is not None
    return progress


@pytest.mark.parametrize(
    ("reports", "completed", "percent"),
    [
        ({}, set(), 0.0),
        ({0: {"percent": 40.0}}, set(), 10.0),
        ({0: {"percent": 40.0}, 1: {"percent": 60.0}, 2: {}, 3: {"percent": 100.0}}, set(), 50.0),
        ({0: {"percent": 40.0}}, {1, 2}, 60.0),
        ({0: {"percent": 99.0}}, {0, 1, 2, 3}, 100.0),
        ({0: {"percent": 100.0}, 1: {"percent": 100.0}, 2: {"percent": 100.0}, 3: {"percent": 100.0}}, set(), 100.0),
        ({0: {"percent": 20.0, "final": True}}, set(), 5.0),
    ],
)
def test_the_percent_is_the_mean_over_all_shards(
    reports: dict[int, dict[str, Any]], completed: set[int], percent: float
) -> None:
    assert heard(reports).whole(completed).percent == percent


@pytest.mark.parametrize(
    ("reports", "completed", "eta"),
    [
        ({}, set(), None),
        ({0: {}}, set(), None),
        ({0: {"etaSeconds": 10}, 1: {"etaSeconds": 30}, 2: {}}, set(), 30),
        ({0: {"etaSeconds": 10}, 1: {"etaSeconds": 30}}, {1}, 10),
        ({0: {"etaSeconds": 10}, 1: {"etaSeconds": 30, "final": True}}, set(), 10),
    ],
)
def test_the_stage_takes_as_long_as_the_slowest_of_its_shards(
    reports: dict[int, dict[str, Any]], completed: set[int], eta: int | None
) -> None:
    assert heard(reports).whole(completed).eta_seconds == eta


@pytest.mark.parametrize(
    ("texts", "total"),
    [
        ([], None),
        ([None, ""], None),
        (["12.3 pages/s"], "12.3 pages/s"),
        (["12.3 pages/s", "7 pages/s", None], "19.3 pages/s"),
        (["12.3 pages/s", "soon"], "12.3 pages/s"),
        (["12.3 pages/s", "7 img/s"], None),
        (["-1 pages/s", "nan pages/s", "1e9 pages/s"], None),
        (["9" * 25 + " pages/s"] * 64, None),
    ],
)
def test_the_throughput_is_the_sum_of_what_can_be_read(texts: list[str | None], total: str | None) -> None:
    assert total_throughput(texts) == total


def test_a_shard_that_is_done_adds_no_throughput() -> None:
    reports = {index: {"throughput": "2.0 pages/s"} for index in range(3)}
    reports[2] = {**reports[2], "final": True}
    assert heard(reports).whole({1}).throughput == "2.0 pages/s"


@pytest.mark.parametrize(
    ("sequence", "pod", "newest", "taken"),
    [
        (6, "pod-0", True, True),
        (5, "pod-0", True, False),
        (4, "pod-0", True, False),
        (1, "another", True, True),
        (99, "another", False, False),
    ],
)
def test_the_reports_of_a_shard_are_taken_in_order(sequence: int, pod: str, newest: bool, taken: bool) -> None:
    shards = heard({0: {"sequence": 5}})
    after = shards.take(report(sequence), Shard(index=0, of=OF), pod, from_newest_pod=newest)
    assert (after is not None) is taken


def test_one_shards_sequence_says_nothing_of_anothers() -> None:
    shards = heard({0: {"sequence": 100}, 1: {"sequence": 5}})
    assert shards.whole(()).sequence == 100


def test_a_pod_that_does_a_share_again_counts_from_the_start() -> None:
    shards = heard({0: {"percent": 80.0, "sequence": 9}, 1: {"percent": 40.0}})
    again = shards.take(report(1, percent=0.0), Shard(index=0, of=OF), "another", from_newest_pod=True)
    assert again is not None
    assert again.whole(()).percent == 10.0


@pytest.mark.parametrize(
    ("last", "percent"),
    [
        (None, 1.0),
        (written(60), 60.0),
        (written(60, attempt=2), 1.0),
        (written(60, stage="train"), 1.0),
    ],
)
def test_after_a_restart_the_figure_does_not_fall_until_all_are_heard_again(
    last: Progress | None, percent: float
) -> None:
    shards = heard({0: {"percent": 4.0}}, begun(last))
    assert shards.whole(()).percent == percent
    shards = heard({index: {"percent": 4.0} for index in (1, 2)}, shards)
    assert shards.whole({3}).percent == 28.0


@pytest.mark.parametrize(
    ("reports", "completed", "final"),
    [
        ({0: {"final": True}}, set(), False),
        ({0: {"final": True}}, {1, 2, 3}, True),
        ({index: {"final": True} for index in range(OF)}, set(), True),
    ],
)
def test_the_stage_is_at_its_end_when_all_shards_are(
    reports: dict[int, dict[str, Any]], completed: set[int], final: bool
) -> None:
    assert heard(reports).whole(completed).final is final


@pytest.mark.parametrize(
    "shard",
    [{"index": 64, "of": 64}, {"index": -1, "of": 2}, {"index": 0, "of": 65}, {"index": 0}, {"index": "0", "of": 2}],
)
def test_a_shard_that_cannot_be_is_refused(shard: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        report(shard=shard)


FIGURES = st.fixed_dictionaries(
    {},
    optional={
        "percent": st.floats(0, 100),
        "etaSeconds": st.integers(0, 10**9),
        "throughput": st.text(max_size=32)
        | st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,3})? pages/s", fullmatch=True).filter(lambda text: len(text) <= 32),
        "final": st.booleans(),
    },
)


@given(
    st.dictionaries(st.integers(0, OF - 1), FIGURES), st.sets(st.integers(0, OF - 1)), st.none() | st.integers(0, 100)
)
def test_whatever_is_reported_the_whole_is_a_report_that_the_status_can_hold(
    reports: dict[int, dict[str, Any]], completed: set[int], percent: int | None
) -> None:
    start = begun(None if percent is None else written(percent))
    whole = heard(reports, start).whole(completed)
    assert Report.model_validate_json(whole.model_dump_json(by_alias=True)) == whole
    progress = advance(ProgressState(), whole, None, START).progress
    assert progress is not None
    assert progress.stage is Stage.PREPROCESS
    assert 0 <= (progress.percent or 0) <= 100
