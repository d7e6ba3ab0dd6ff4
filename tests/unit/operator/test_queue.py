"""The work queue: never concurrent with itself, never loses a key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from trainingrun_operator.queue import JITTER, MAX_BACKOFF_S, RetryBudget, Schedule, WorkQueue

KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.floats(0, 5)),
        st.tuples(st.just("take"), KEYS, st.just(0.0)),
        st.tuples(st.just("done"), KEYS, st.just(0.0)),
        st.tuples(st.just("go on"), KEYS, st.just(0.0)),
        st.tuples(st.just("wait"), KEYS, st.floats(0, 5)),
    ),
    max_size=60,
)


@given(STEPS)
@settings(max_examples=400)
def test_a_key_that_was_added_is_worked_on_and_never_twice_at_once(steps: list[tuple[str, str, float]]) -> None:
    schedule: Schedule[str] = Schedule()
    now, working, owed = 0.0, dict[str, float](), dict[str, float]()
    for step, key, amount in steps:
        if step == "add":
            schedule.add(key, now + amount)
            owed[key] = min(owed.get(key, now + amount), now + amount)
        elif step == "take":
            taken = schedule.take(now)
            if taken is None:
                assert not [each for each, due in owed.items() if due <= now and each not in working]
            else:
                assert taken not in working
                working[taken] = owed.pop(taken)
                assert working[taken] <= now
        elif step == "go on" and key in working:
            schedule.go_on(key)
            owed[key] = min(owed.get(key, now), working[key])
        elif step == "done" and key in working:
            del working[key]
            schedule.done(key)
        elif step == "wait":
            now += amount
        assert len(schedule) == len(owed)
        due = [at for each, at in owed.items() if each not in working]
        assert schedule.next_time() == (min(due) if due else None)
    for key in list(working):
        schedule.done(key)
    now += 100
    rest = set()
    while (taken := schedule.take(now)) is not None:
        rest.add(taken)
    assert rest == set(owed)


def test_the_backoff_grows_with_each_failure_in_a_row_and_ends_with_success() -> None:
    schedule: Schedule[str] = Schedule()
    delays = [schedule.backoff_s("a") for _ in range(12)]
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == MAX_BACKOFF_S
    assert schedule.backoff_s("b") == 0.5
    schedule.succeeded("a")
    assert schedule.backoff_s("a") == 0.5


def test_many_adds_of_one_key_are_one_visit() -> None:
    schedule: Schedule[str] = Schedule()
    for _ in range(1000):
        schedule.add("a", 0.0)
    assert schedule.take(0.0) == "a"
    assert schedule.take(0.0) is None


def test_urgent_keys_overtake_others_that_have_been_due_longer() -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(5000):
        schedule.add(f"resync-{number}", 0.0)
    schedule.add("changed", 1.0, urgent=True)
    schedule.add("resync-4999", 1.0, urgent=True)
    assert [schedule.take(2.0) for _ in range(3)] == ["resync-4999", "changed", "resync-0"]
    assert len(schedule) == 4998


def test_what_is_begun_is_finished_before_what_came_later_is_begun() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("first", 1.0, urgent=True)
    schedule.add("second", 2.0, urgent=True)
    taken = []
    for _ in range(3):
        taken.append(schedule.take(3.0))
        if len(taken) < 3 and taken[-1] == "first":
            schedule.go_on("first")
        schedule.done(taken[-1] or "")
    assert taken == ["first", "first", "first"]
    assert schedule.take(3.0) == "second"


def test_a_key_that_became_urgent_stays_so_until_it_is_taken() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 5.0, urgent=True)
    schedule.add("a", 1.0)
    schedule.add("b", 0.0)
    assert schedule.take(1.0) == "a"
    schedule.done("a")
    schedule.add("a", 0.0)
    schedule.add("c", 2.0, urgent=True)
    assert schedule.take(2.0) == "c"


def test_all_retries_together_are_no_more_than_the_budget() -> None:
    budget = RetryBudget(per_s=10.0, burst=100)
    waits = [budget.wait_s(1000.0) for _ in range(300)]
    assert waits[:100] == [0.0] * 100
    assert waits[-1] == 20.0
    assert budget.wait_s(1030.0) == 0.0


async def test_a_long_delay_gets_jitter_and_a_short_one_is_kept() -> None:
    queue: WorkQueue[str] = WorkQueue(lambda: 0.0)
    wants = {"short": 5.0, **{f"long-{number}": 300.0 for number in range(50)}}

    async def visit(key: str) -> float | None:
        return wants.pop(key)

    for key in list(wants):
        queue.add(key)
    task = asyncio.create_task(queue.work(visit, workers=1))
    await _until(lambda: not wants)
    task.cancel()
    due = {key: at for key, (at, _) in queue._schedule._due.items()}
    assert due.pop("short") == 5.0
    assert all(300.0 <= at <= 300.0 * (1 + JITTER) for at in due.values())
    assert len(set(due.values())) > 40


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


async def test_a_key_added_during_its_own_visit_is_visited_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
    running, most, visits = 0, 0, 0

    async def visit(key: str) -> float | None:
        nonlocal running, most, visits
        running += 1
        most = max(most, running)
        visits += 1
        if visits < 5:
            queue.add(key)
        await asyncio.sleep(0.002)
        running -= 1
        return None

    task = asyncio.create_task(queue.work(visit, workers=4))
    queue.add("a")
    await _until(lambda: visits == 5 and running == 0)
    task.cancel()
    assert most == 1


async def test_a_visit_that_fails_is_repeated_and_others_go_on() -> None:
    now = 0.0
    queue: WorkQueue[str] = WorkQueue(lambda: now)
    seen: list[str] = []

    async def visit(key: str) -> float | None:
        seen.append(key)
        if key == "bad" and seen.count("bad") < 3:
            raise RuntimeError("not now")
        return None

    task = asyncio.create_task(queue.work(visit, workers=1))
    queue.add("bad")
    queue.add("good")
    await _until(lambda: "good" in seen)
    assert seen.count("bad") == 1
    for _ in range(2):
        now += 60
        queue.add("good")  # wakes the worker, whose clock is not real
        await asyncio.sleep(0.02)
    await _until(lambda: seen.count("bad") == 3)
    task.cancel()


async def test_a_visit_may_ask_for_the_next_one() -> None:
    queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
    visits = 0

    async def visit(_: str) -> float | None:
        nonlocal visits
        visits += 1
        return 0.005 if visits < 3 else None

    task = asyncio.create_task(queue.work(visit, workers=2))
    queue.add("a")
    await _until(lambda: visits == 3)
    task.cancel()


def test_the_backlog_is_what_is_due_and_not_what_waits() -> None:
    schedule: Schedule[str] = Schedule()
    for key, at_s in (("old", 1.0), ("new", 4.0), ("later", 9.0)):
        schedule.add(key, at_s)
    assert schedule.backlog(5.0) == (2, 4.0)
    assert schedule.backlog(0.0) == (0, 0.0)


async def test_a_queue_stands_still_when_a_key_is_overdue_and_no_visit_begins_or_ends() -> None:
    now_s = 0.0
    queue: WorkQueue[str] = WorkQueue(lambda: now_s)
    visited, may_end = asyncio.Event(), asyncio.Event()

    async def visit(_: str) -> None:
        visited.set()
        await may_end.wait()

    task = asyncio.create_task(queue.work(visit, workers=1))
    now_s = 100.0
    assert not queue.stands_still(10.0), "nothing is due"
    queue.add("hangs")
    await visited.wait()
    queue.add("waits")
    now_s = 109.0
    assert not queue.stands_still(10.0)
    now_s = 111.0
    assert queue.stands_still(10.0)
    may_end.set()
    await asyncio.sleep(0.01)
    assert not queue.stands_still(10.0)
    task.cancel()
