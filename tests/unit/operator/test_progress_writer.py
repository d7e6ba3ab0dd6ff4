"""How often progress is written, and that nothing overtakes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.world import START, World
from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    RefusedError,
    TransientError,
)
from trainingrun_operator.core.plan import ProgressUpdate
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter

INTERVAL_S = 0.05


def report(sequence: int, **fields: Any) -> Report:
    body = {"attempt": 1, "sequence": sequence, "stage": "train", "percent": float(sequence)}
    return Report.model_validate_json(json.dumps({**body, **fields}))


class Desk:
    """A writer that works, over a fake cluster."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.world = World()
        self.cluster = FakeCluster(self.world)
        clock = asyncio.get_running_loop().time
        interval = timedelta(seconds=interval_s)
        self.store = Store()
        self.watches()
        self.writer = ProgressWriter(self.cluster, self.store, interval=interval, clock=clock, now=lambda: START)

    def watches(self) -> None:
        self.store.observe_run(self.cluster.stored_run())

    @property
    def run(self) -> Run:
        return Run.parse(self.world.run)

    @property
    def percent(self) -> int | None:
        progress = self.world.status.progress
        return progress.percent if progress else None

    def takes(self, sequence: int, **fields: Any) -> bool:
        return self.writer.take(self.run, report(sequence, **fields), "pod-1", from_newest_pod=True)

    async def shows(self, percent: int) -> None:
        for _ in range(2000):
            if self.percent == percent:
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"{self.percent} stays, {percent} never comes")

    def takes_share(self, index: int, percent: float, *, completed: tuple[int, ...] = (), **fields: Any) -> bool:
        body = {"stage": "preprocess", "percent": percent, "shard": {"index": index, "of": 4}, **fields}
        share = report(body.pop("sequence", 1), **body)
        return self.writer.take(self.run, share, f"pod-{index}", from_newest_pod=True, completed=completed)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    found = Desk()
    task = asyncio.create_task(found.writer.work())
    yield found
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_many_reports_are_few_writes_and_the_last_one_is_shown(desk: Desk) -> None:
    for sequence in range(1, 51):
        assert desk.takes(sequence)
    await desk.shows(50)
    assert desk.cluster.calls.count("apply_progress") <= 2


async def test_a_checkpoint_is_written_at_once(desk: Desk) -> None:
    desk.takes(1)
    await desk.shows(1)
    started = asyncio.get_running_loop().time()
    desk.takes(2, resumePoints=[{"epoch": 1, "uri": "s3://b/1.pth"}])
    await desk.shows(2)
    assert asyncio.get_running_loop().time() - started < INTERVAL_S / 2


async def test_a_write_that_fails_is_repeated_with_the_newest(desk: Desk) -> None:
    desk.cluster.faults["apply_progress"] = [TransientError("down")]
    desk.takes(1)
    await asyncio.sleep(0.01)
    desk.takes(2)
    await desk.shows(2)


async def test_progress_of_a_run_that_is_gone_is_dropped(desk: Desk) -> None:
    desk.cluster.faults["apply_progress"] = [GoneError("not found")]
    desk.takes(1)
    await asyncio.sleep(0.02)
    assert desk.percent is None
    assert desk.takes(1), "a fresh start"


async def test_nothing_comes_after_the_final_report(desk: Desk) -> None:
    desk.takes(5)
    await desk.writer.write_final(desk.run, ProgressUpdate(report=report(99, percent=100.0), pod_uid="pod-1"))
    assert desk.percent == 100
    assert not desk.takes(6)
    await asyncio.sleep(2 * INTERVAL_S)
    assert desk.percent == 100


@pytest.mark.parametrize("error", [InvalidError("status.progress: invalid"), RefusedError("a policy says no")])
async def test_a_final_report_that_is_not_taken_stops_nothing(desk: Desk, error: ClusterError) -> None:
    desk.cluster.faults["apply_progress"] = [error]
    await desk.writer.write_final(desk.run, ProgressUpdate(report=report(99, percent=100.0), pod_uid="pod-1"))
    assert desk.percent is None


async def test_a_slow_write_is_not_overtaken_by_the_final_report(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, apply = asyncio.Event(), desk.cluster.apply_progress

    async def slow_at_first(run: Run, status: dict[str, Any]) -> dict[str, Any]:
        if status["progress"]["percent"] == 5:
            await gate.wait()
        return await apply(run, status)

    monkeypatch.setattr(desk.cluster, "apply_progress", slow_at_first)
    desk.takes(5)
    await asyncio.sleep(0.01)
    update = ProgressUpdate(report=report(99, percent=100.0), pod_uid="pod-1")
    final_write = asyncio.create_task(desk.writer.write_final(desk.run, update))
    await asyncio.sleep(0.01)
    gate.set()
    await final_write
    await asyncio.sleep(0.01)
    assert desk.percent == 100


async def test_an_older_final_report_changes_nothing(desk: Desk) -> None:
    desk.takes(5)
    await desk.writer.write_final(desk.run, ProgressUpdate(report=report(4), pod_uid="pod-1"))
    await desk.shows(5)


async def test_a_restarted_writer_goes_on_from_the_status(desk: Desk) -> None:
    desk.takes(7, resumePoints=[{"epoch": 1, "uri": "s3://b/1.pth"}])
    await desk.shows(7)
    again = ProgressWriter(
        desk.cluster, Store(), interval=timedelta(0), clock=asyncio.get_running_loop().time, now=lambda: START
    )
    assert not again.take(desk.run, report(7), "pod-1", from_newest_pod=True)
    assert again.take(desk.run, report(8), "pod-1", from_newest_pod=True)


async def test_a_writer_that_stood_still_does_not_put_back_what_another_has_written(desk: Desk) -> None:
    first, second = ({"epoch": number, "uri": f"s3://b/{number}.pth"} for number in (1, 2))
    desk.takes(1, resumePoints=[first])
    await desk.shows(1)
    stale = desk.run
    another = ProgressWriter(desk.cluster, desk.store, interval=timedelta(0), clock=lambda: 0.0, now=lambda: START)
    await another.write_final(stale, ProgressUpdate(report=report(2, resumePoints=[first, second]), pod_uid="pod-1"))
    with pytest.raises(ConflictError):
        await desk.writer.write_final(stale, ProgressUpdate(report=report(3), pod_uid="pod-1"))
    assert desk.percent == 2
    assert desk.takes(4), "what comes next rests on what is there"
    await desk.shows(4)
    assert [point.epoch for point in desk.world.status.resume_points] == [2, 1]


async def test_a_write_that_was_done_and_not_answered_is_no_other_process(desk: Desk) -> None:
    desk.cluster.lost_answers["apply_progress"] = [TransientError("timed out")]
    desk.takes(1)
    await desk.shows(1)
    desk.watches()
    assert desk.takes(2)
    await desk.shows(2)


async def test_the_reports_of_shards_become_one_figure_of_the_stage(desk: Desk) -> None:
    assert desk.takes_share(0, 40.0, throughput="2.5 pages/s", etaSeconds=60)
    assert desk.takes_share(1, 20.0, throughput="3 pages/s", etaSeconds=90)
    assert desk.takes_share(2, 0.0)
    await desk.shows(15)
    progress = desk.world.status.progress
    assert progress is not None
    assert (progress.throughput, progress.eta, progress.pod_uid) == ("5.5 pages/s", "1m", None)
    assert not desk.takes_share(1, 20.0), "the same once more"
    assert desk.takes_share(1, 60.0, sequence=2, completed=(3,))
    await desk.shows(50)


async def test_the_reports_of_many_shards_are_few_writes(desk: Desk) -> None:
    clock = asyncio.get_running_loop().time
    started_s = clock()
    for sequence in range(1, 26):
        for index in range(4):
            assert desk.takes_share(index, float(4 * sequence), sequence=sequence)
        await asyncio.sleep(0)
    await desk.shows(100)
    # The first at once, then one an interval, however long a busy machine takes for the hundred reports.
    assert desk.cluster.calls.count("apply_progress") <= 2 + int((clock() - started_s) / INTERVAL_S)


async def test_what_is_reported_during_a_write_waits_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(interval_s=60.0)
    begun, may_end = asyncio.Event(), asyncio.Event()
    apply = desk.cluster.apply_progress

    async def slow(run: Run, status: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        await may_end.wait()
        return await apply(run, status)

    monkeypatch.setattr(desk.cluster, "apply_progress", slow)
    task = asyncio.create_task(desk.writer.work())
    assert desk.takes(1)
    await begun.wait()
    assert desk.takes(2)
    may_end.set()
    await desk.shows(1)
    await asyncio.sleep(0.02)
    assert desk.percent == 1
    task.cancel()


async def test_the_next_attempt_of_a_sharded_stage_starts_from_nothing(desk: Desk) -> None:
    desk.takes_share(0, 80.0)
    await desk.shows(20)
    assert desk.takes_share(1, 4.0, attempt=2)
    await desk.shows(1)


async def test_a_restarted_writer_shows_no_less_until_all_shards_have_reported_again(desk: Desk) -> None:
    for index in range(4):
        desk.takes_share(index, 50.0)
    await desk.shows(50)
    clock = asyncio.get_running_loop().time
    desk.writer = ProgressWriter(desk.cluster, desk.store, interval=timedelta(0), clock=clock, now=lambda: START)
    assert desk.takes_share(0, 54.0, sequence=2)
    task = asyncio.create_task(desk.writer.work())
    await asyncio.sleep(0.01)
    assert desk.percent == 50
    for index in range(1, 4):
        desk.takes_share(index, 54.0, sequence=2)
    await desk.shows(54)
    task.cancel()
