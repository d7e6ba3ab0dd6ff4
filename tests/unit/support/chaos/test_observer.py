"""The onlooker of `make chaos` sees what is broken, and holds nothing else against anybody."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.chaos.observer import MOST_SECONDS_HELD, Observer

Object = dict[str, Any]


def a_run(**status: Any) -> Object:
    return {"metadata": {"name": "tables", "uid": "run"}, "spec": {}, "status": status}


def child(name: str, *, owner: str, stage: str = "train", attempt: int = 1, **status: Any) -> Object:
    group = "training.badgerdoc.dev"
    labels = {f"{group}/run-uid": "run", f"{group}/stage": stage, f"{group}/attempt": str(attempt)}
    owners = [{"uid": owner, "controller": True}]
    meta = {"name": name, "uid": f"uid of {name}", "labels": labels, "ownerReferences": owners}
    return {"metadata": meta, "spec": {}, "status": status}


def a_job(name: str = "job", *, ended: str = "", **fields: Any) -> Object:
    conditions = [{"type": ended, "status": "True"}] if ended else []
    return child(name, owner="run", conditions=conditions, **fields)


Look = tuple[list[Object], list[Object], list[Object]]
TRAINS = a_run(phase="Training", startTime="1", attempts={"total": 2, "train": 1}, resumePoints=[{"iteration": 20}])


def then(*looks: Look, observer: Observer | None = None, seconds: float = 1.0) -> Observer:
    observer = observer or Observer()
    for number, look in enumerate(looks):
        observer.look(*copy.deepcopy(look), now_s=1.0 + number * seconds)
    return observer


def changed(**status: Any) -> Object:
    return a_run(**{**TRAINS["status"], **status})


@pytest.mark.parametrize(
    ("looks", "sentence"),
    [
        (
            [([TRAINS], [a_job("one"), a_job("two", attempt=2)], [])],
            "two train Jobs of one run are active: one, two",
        ),
        (
            [([TRAINS], [a_job("one")], []), ([TRAINS], [{**a_job("one"), "metadata": a_job("two")["metadata"]}], [])],
            "Job two was made twice",
        ),
        (
            [
                (
                    [TRAINS],
                    [],
                    [child("a", owner="one", phase="Running"), child("b", owner="two", attempt=2, phase="Running")],
                )
            ],
            "pods of two Jobs of the run run work at the same time",
        ),
        ([([changed(phase="Failed")], [], []), ([TRAINS], [], [])], "tables was Failed and is Training"),
        (
            [([changed(phase="Failed")], [], []), ([changed(phase="Succeeded")], [], [])],
            "tables was Failed and is Succeeded",
        ),
        ([([TRAINS], [], []), ([changed(startTime="2")], [], [])], "tables: status.startTime has changed"),
        ([([changed(model={"uri": "a"})], [], []), ([TRAINS], [], [])], "tables: status.model has changed"),
        (
            [([TRAINS], [], []), ([changed(attempts={"total": 1, "train": 1})], [], [])],
            "tables: status.attempts.total went from 2 to 1",
        ),
        (
            [([TRAINS], [], []), ([changed(resumePoints=[{"iteration": 10}])], [], [])],
            "tables: its newest resume point went from iteration 20 to 10",
        ),
    ],
)
def test_it_says_what_is_broken(looks: list[Look], sentence: str) -> None:
    assert then(*looks).broken == [sentence]


def test_a_finished_run_may_hold_a_gpu_for_as_long_as_its_job_needs_to_end() -> None:
    look: Look = ([changed(phase="Failed")], [a_job()], [])
    assert then(look, look, seconds=MOST_SECONDS_HELD).broken == []
    assert then(look, look, seconds=MOST_SECONDS_HELD + 1.0).broken == ["tables is Failed, and a Job of it is active"]


@pytest.mark.parametrize(
    "looks",
    [
        [([TRAINS], [a_job("one", ended="Failed"), a_job("two", attempt=2)], [])],
        [([TRAINS], [{**a_job("one"), "spec": {"suspend": True}}, a_job("two", attempt=2)], [])],
        [([TRAINS], [a_job("one")], [child("a", owner="one", phase="Running")] * 2)],
        [([TRAINS], [a_job()], []), ([changed(phase="Succeeded", model={"uri": "a"})], [a_job(ended="Complete")], [])],
        [([TRAINS], [], []), ([changed(resumePoints=[{"iteration": 30}], attempts={"total": 3, "train": 2})], [], [])],
    ],
)
def test_it_holds_nothing_against_a_run_that_goes_on(looks: list[Look]) -> None:
    assert then(*looks).broken == []


def test_a_restore_undoes_what_was_seen() -> None:
    observer = then(([changed(phase="Succeeded", model={"uri": "a"})], [a_job("one")], []))
    observer.forget()
    assert then(([TRAINS], [a_job("one")], []), observer=observer).broken == []


@pytest.mark.parametrize(
    ("run", "job", "pods", "behind"),
    [
        (TRAINS, a_job("one"), [child("a", owner="uid of one", phase="Running")], False),
        (changed(phase="Pending"), a_job("one"), [child("a", owner="uid of one", phase="Running")], True),
        (TRAINS, a_job("one", ended="Complete"), [], True),
        (changed(phase="Succeeded"), a_job("one", ended="Complete"), [], False),
        (TRAINS, a_job("one", stage="preprocess", ended="Complete"), [], True),
        (changed(dataset={}), a_job("one", stage="preprocess", ended="Complete"), [], False),
        (TRAINS, a_job("one", ended="Failed"), [], True),
        (changed(lastFailure={"stage": "train", "attempt": 1}), a_job("one", ended="Failed"), [], False),
        (changed(lastFailure={"stage": "preprocess", "attempt": 1}), a_job("one", ended="Failed"), [], True),
    ],
)
def test_it_measures_how_long_a_status_is_behind(run: Object, job: Object, pods: list[Object], behind: bool) -> None:
    look: Callable[[], Look] = lambda: ([run], [job], pods)  # noqa: E731
    assert then(look(), look(), seconds=5.0).longest_behind_s == (5.0 if behind else 0.0)
