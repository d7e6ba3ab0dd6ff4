"""Whatever a worker says, the status can be written and shown."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.operator.world import DATASET, MODEL, START, World, termination
from trainingrun_operator.core.progress.report import read_report
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.progress.termination import read_termination_message
from trainingrun_operator.core.progress.words import printable, read_words
from trainingrun_operator.core.resource.status import Stage

REPORT = {"attempt": 1, "sequence": 3, "stage": "train", "percent": 12.5}
MAX_MESSAGE_BYTES = 4096

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["\x1b[2J", "\u202egnp.exe", "\x00", "\u0085", "\u2028", "nan", "1e999", "s3://b/a.pth"]),
    st.sampled_from(
        ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def any_of(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The fields as they should be, each of them perhaps left out or with anything in its place."""
    return st.fixed_dictionaries(
        {}, optional={name: st.one_of(st.just(value), VALUES) for name, value in fields.items()}
    )


POINTS = st.lists(
    st.fixed_dictionaries({"epoch": st.just(1), "uri": TEXTS, "time": TEXTS, "metric": TEXTS}), max_size=3
)
REPORTS = any_of({**REPORT, "metrics": [{"name": "\x1bloss", "value": "0.1"}], "throughput": "1.0 pages/s"}).flatmap(
    lambda report: POINTS.map(lambda points: {**report, "resumePoints": points})
)
MESSAGES = st.builds(
    lambda base, parts: json.dumps({**base, **parts}),
    any_of({"version": 1, "stage": "train", "result": "succeeded", "exitCode": 65, "reason": "Mine", "message": "no"}),
    st.fixed_dictionaries(
        {}, optional={"model": any_of(MODEL), "dataset": any_of(DATASET), "progress": REPORTS, "report": TEXTS}
    ),
)
BYTES = st.binary(max_size=MAX_MESSAGE_BYTES).map(lambda raw: raw.decode(errors="replace"))


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(MESSAGES, BYTES), code=st.sampled_from([0, 1, 65, 75]))
def test_no_termination_message_keeps_a_run_from_its_end(text: str, code: int) -> None:
    world = World(retry={"limit": 0})
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.pod_ends(code, text[:MAX_MESSAGE_BYTES])
    world.job_ends("Complete" if code == 0 else "Failed")
    world.visits()
    assert world.status.model is not None or world.status.last_failure is not None
    assert_shown(world.run["status"])


@settings(max_examples=150, deadline=None)
@given(report=REPORTS)
def test_a_report_is_refused_or_can_be_written(report: dict[str, Any]) -> None:
    try:
        read = read_report(json.dumps(report))
    except ValueError:
        return
    assert_shown(advance(ProgressState(), read, "uid", START).to_json())


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=MAX_MESSAGE_BYTES))
def test_bytes_that_are_no_report_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_report(raw)


def assert_shown(status: dict[str, Any]) -> None:
    """It can be sent, and has nothing in it that a terminal obeys."""
    text = json.dumps(status, ensure_ascii=False)
    text.encode()
    assert text == printable(text)


def test_a_time_that_no_other_time_zone_can_say_is_no_time() -> None:
    for time in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59Z"):
        point = {"epoch": 1, "uri": "s3://b/a.pth", "time": time}
        with pytest.raises(ValueError, match="within the years 1970 to 9999"):
            read_report(json.dumps({**REPORT, "resumePoints": [point]}))
        message = read_termination_message(
            termination("train", model=MODEL, progress={**REPORT, "resumePoints": [point]})
        )
        assert message is not None
        assert message.published(Stage.TRAIN), "the model counts all the same"
        assert message.progress is None


@pytest.mark.parametrize(
    ("time", "written"),
    [
        ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01T12:00:00", "2026-01-01T12:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_in_utc(time: str, written: str) -> None:
    point = {"epoch": 1, "uri": "s3://b/a.pth", "time": time}
    [read] = read_report(json.dumps({**REPORT, "resumePoints": [point]})).resume_points
    assert read.to_json()["time"] == written


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"),
        ("größer als 3 µm", "größer als 3 µm"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("a\u0000b\u007fc\u009bd", "abcd"),
        ("name\u202efdp.exe", "namefdp.exe"),
        ("half\ud800", "half"),
    ],
)
def test_control_characters_are_left_out_and_lines_joined(said: str, shown: str) -> None:
    assert printable(said) == shown


def test_the_names_in_what_is_read_are_printable_too() -> None:
    assert read_words('{"a\\u001b": [{"b": "c\\u202e"}], "n": [1, 2.5, null, true]}') == {
        "a": [{"b": "c"}],
        "n": [1, 2.5, None, True],
    }


@pytest.mark.parametrize("raw", ["", "{", "[" * 4096, b"\xff", '{"a": "\\ud800"}'])
def test_what_is_no_json_is_refused(raw: bytes | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_words(raw)
