# ruff: noqa: ARG002  (the arguments are the port's)
"""Events are posted behind everything else, and never stand in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import pytest

from tests.support.operator.world import START, a_run
from trainingrun_operator import event_queue
from trainingrun_operator.core.errors import ClusterError, RefusedError, TransientError
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.event_queue import EventQueue

RUN = Run.parse(a_run())


def event(key: str) -> Event:
    return Event(reason="Started", message="m", key=key)


class Office:
    """A queue that works, and an API server that takes what it does not fail at."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.posted: list[str] = []
        self.tried: list[str] = []
        self.faults: dict[str, list[ClusterError]] = {}
        self.queue = EventQueue(self, clock=lambda: self.now_s)

    async def post_event(self, run: Run, event: Event, at: datetime) -> None:
        self.tried.append(event.key)
        if self.faults.get(event.key):
            raise self.faults[event.key].pop(0)
        self.posted.append(event.key)

    def add(self, key: str) -> None:
        self.queue.add(RUN, event(key), START)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    found = Office()
    task = asyncio.create_task(found.queue.work())
    yield found
    task.cancel()


async def until(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


async def test_events_are_posted_in_their_order(office: Office) -> None:
    for key in "abc":
        office.add(key)
    await until(lambda: office.posted == ["a", "b", "c"])


async def test_one_that_fails_is_tried_a_few_times_and_keeps_no_other_waiting(office: Office) -> None:
    office.faults["bad"] = [TransientError("down") for _ in range(100)]
    office.add("bad")
    office.add("good")
    await until(lambda: office.posted == ["good"])
    for number in range(10):
        office.now_s += 60
        office.add(f"wakes-{number}")
        await until(lambda number=number: f"wakes-{number}" in office.posted)  # type: ignore[misc]
    assert office.tried.count("bad") == event_queue.TRIES


async def test_one_that_is_refused_is_dropped_at_once(office: Office) -> None:
    office.faults["bad"] = [RefusedError("no rights")]
    office.add("bad")
    office.add("good")
    await until(lambda: office.posted == ["good"])
    assert office.tried.count("bad") == 1


async def test_of_too_many_the_last_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue, "MOST_WAITING", 3)
    office = Office()
    for key in "abcde":
        office.add(key)
    task = asyncio.create_task(office.queue.work())
    await until(lambda: len(office.posted) == 3)
    office.add("f")
    await until(lambda: office.posted == ["a", "b", "c", "f"])
    task.cancel()
