"""When deadlines pass."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.operator.world import START, a_run
from trainingrun_operator.core.conditions.announcement import announced, unannounced
from trainingrun_operator.core.conditions.conditions import MESSAGE_BYTES, Summary
from trainingrun_operator.core.deadlines import active_deadline, pause, start_deadline
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Stage, Status


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def run(*, suspend: bool = False, status: dict[str, Any] | None = None, **deadlines: str) -> Run:
    body = a_run(deadlines=deadlines, suspend=suspend)
    body["status"] = {"startTime": START.isoformat(), **(status or {})}
    return Run.parse(body)


def job(**fields: Any) -> JobView:
    return JobView(name="j", namespace="demo", uid="j", owner_uid="r", **{"started_at": START, **fields})


def pod(created: float, **fields: Any) -> PodView:
    return PodView(name="p", namespace="demo", uid=str(created), owner_uid="j", created_at=at(created), **fields)


@pytest.mark.parametrize(
    ("made", "due"),
    [
        (run(), None),
        (run(active="30m"), at(30)),
        (run(active="30m", status={"pausedSeconds": 600}), at(40)),
        (run(active="30m", status={"pausedSince": START.isoformat()}), None),
        (run(active="30m", suspend=True), None),
        (run(active="30m", status={"startTime": None}), None),
    ],
)
def test_a_runs_time_counts_from_its_start_without_its_pauses(made: Run, due: datetime | None) -> None:
    assert active_deadline(made) == due


def test_pauses_add_up() -> None:
    status = Status(start_time=START)
    for phase, minute, since, seconds in (
        (Phase.TRAINING, 1, None, None),
        (Phase.SUSPENDED, 2, at(2), None),
        (Phase.SUSPENDED, 3, at(2), None),
        (Phase.TRAINING, 5, None, 180),
        (Phase.AWAITING_REVIEW, 6, at(6), 180),
        (Phase.SUSPENDED, 7, at(6), 180),
        (Phase.FAILED, 8, None, 300),
    ):
        paused_since, paused_seconds = pause(status, phase, at(minute))
        assert (paused_since, paused_seconds) == (since, seconds), phase
        status = status.model_copy(update={"paused_since": paused_since, "paused_seconds": paused_seconds})


def test_a_run_that_has_not_started_has_no_pause() -> None:
    assert pause(Status(), Phase.SUSPENDED, START) == (None, None)


RUNNING = {"running": True, "phase": "Running", "node": "n"}
ENDED = {"phase": "Failed", "exit_code": 137}


@pytest.mark.parametrize(
    ("jobs", "pods", "due"),
    [
        pytest.param({}, [], at(10), id="no pod is made"),
        pytest.param({}, [pod(1)], at(11), id="the pod waits"),
        pytest.param({}, [pod(1, node="n")], at(11), id="the pod's image is pulled"),
        pytest.param({}, [pod(1, **RUNNING)], None, id="the worker runs"),
        pytest.param({}, [pod(1, **ENDED)], None, id="the worker has ended"),
        pytest.param({"suspended": True}, [], None, id="somebody holds the Job"),
        pytest.param({"held": True}, [], None, id="the Job controller has not resumed it yet"),
        pytest.param({"started_at": None}, [], None, id="the Job controller has not seen the Job yet"),
        pytest.param({"resumed_at": at(5)}, [], at(15), id="the Job was resumed"),
        pytest.param({}, [pod(1, gone=True), pod(60)], at(70), id="the pod was preempted and replaced"),
        pytest.param({}, [pod(60, deleted_at=at(61))], None, id="the pod is on its way out"),
        pytest.param({}, [pod(60, gone=True)], None, id="the pod is gone and will be replaced"),
        pytest.param(
            {}, [pod(1, finished_at=at(50), gone=True), pod(50.1)], at(60.1), id="the next pod comes after the last one"
        ),
    ],
)
def test_an_attempt_may_wait_for_its_worker_so_long(jobs: Any, pods: list[PodView], due: datetime | None) -> None:
    assert start_deadline(run(start="10m"), Stage.TRAIN, job(**jobs), pods) == due


def test_nothing_passes_without_a_deadline_or_while_suspended() -> None:
    assert start_deadline(run(), Stage.TRAIN, job(), []) is None
    assert start_deadline(run(start="10m", suspend=True), Stage.TRAIN, job(), []) is None


def test_a_replaced_pod_that_is_forgotten_since_is_not_taken_for_one_that_never_was() -> None:
    waiting = run(start="10m", status={"disruptedPods": ["abcdabcd"]})
    assert start_deadline(waiting, Stage.TRAIN, job(), []) is None


def test_a_training_over_several_nodes_starts_with_its_last_pod_and_preprocess_with_its_first() -> None:
    pods = [pod(1, index=0, **RUNNING), pod(2, index=1)]
    assert start_deadline(run(start="10m"), Stage.TRAIN, job(shards=2), pods) == at(12)
    assert start_deadline(run(start="10m"), Stage.PREPROCESS, job(shards=2), pods) is None


WAITING = Summary(phase=Phase.QUEUED, reason="WaitingForGPU", message="training waits: " + "ü" * 400)


def test_the_message_names_the_deadline_that_passes_next_and_never_cuts_it_off() -> None:
    first = announced(WAITING, start=at(10), active=at(20)).message
    assert first.endswith("; the attempt fails at 2026-01-01T12:10:00Z (spec.deadlines.start)")
    assert len(first.encode()) <= MESSAGE_BYTES
    assert announced(WAITING, start=None, active=at(20)).message.endswith(
        "; the run fails at 2026-01-01T12:20:00Z (spec.deadlines.active)"
    )
    assert announced(WAITING, start=None, active=None) is WAITING


def test_a_message_that_is_taken_over_loses_its_deadline() -> None:
    short = Summary(phase=Phase.PENDING, reason="ImagePullFailed", message="no such image; the end")
    assert unannounced(announced(short, start=at(10), active=None).message) == short.message
    assert unannounced(short.message) == short.message
