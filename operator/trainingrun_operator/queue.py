"""A work queue: de-duplicates, delays, backs off; a key is never worked on twice at the same time.

`Schedule` is the bookkeeping alone, with the time given to it; `WorkQueue` puts it on the event loop. The rules are
those of client-go's work queue: a key that is added while it is worked on is worked on again afterwards, never beside.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from trainingrun_operator.core.progress.rate_limit import RateLimit

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 60.0
# Of all keys together, beside the backoff of each: an API server that comes back is not run over.
RETRIES_PER_S = 10.0
RETRY_BURST = 100
# Keys that were put off at the same time do not come back at the same time.
JITTER = 0.1
_JITTER_FROM_S = 30.0


class RetryBudget:
    """A token bucket whose tokens can be taken in advance: who finds none is told when its own will be there."""

    def __init__(self, *, per_s: float = RETRIES_PER_S, burst: float = RETRY_BURST) -> None:
        self._bucket = RateLimit(burst=burst, per_second=per_s, tokens=burst)

    def wait_s(self, now_s: float) -> float:
        """Takes a token; answers in how many seconds it may be used."""
        self._bucket, wait_s = self._bucket.reserve(now_s)
        return wait_s


class Schedule(Generic[K]):
    """Which key is due when, which one is being worked on, and how often each has failed in a row.

    Of the keys that are due, urgent ones go first.
    """

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, bool]] = {}
        # Those that wait for their time, and those whose time has come by urgency, each in order of time.
        self._later: list[tuple[float, int, K]] = []
        self._now: dict[bool, list[tuple[float, int, K]]] = {True: [], False: []}
        self._order = 0
        # What is worked on, and when it was due, and how urgently.
        self._working: dict[K, tuple[float, bool]] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K, at_s: float, *, urgent: bool = False) -> None:
        """Makes a key due at a time; of several times the earliest holds, and urgent it stays."""
        due_s, was_urgent = self._due.get(key, (float("inf"), False))
        due = (min(due_s, at_s), urgent or was_urgent)
        if due == (due_s, was_urgent):
            return
        self._due[key] = due
        if key not in self._working:
            self._push(key, due[0])

    def take(self, now_s: float) -> K | None:
        """The urgent key that has been due longest, or else another; marked as worked on. None when none is due."""
        while self._later and self._later[0][0] <= now_s:
            entry = heapq.heappop(self._later)
            if self._is_current(entry):
                heapq.heappush(self._now[self._due[entry[2]][1]], entry)
        for urgent in (True, False):
            while self._now[urgent]:
                entry = heapq.heappop(self._now[urgent])
                key = entry[2]
                if self._is_current(entry) and self._due[key][1] is urgent:
                    self._working[key] = self._due.pop(key)
                    return key
        return None

    def go_on(self, key: K) -> None:
        """Makes a key that is worked on due as it was: what is begun is finished before what came later is begun."""
        at_s, urgent = self._working[key]
        self.add(key, at_s, urgent=urgent)

    def done(self, key: K) -> None:
        """The work on a key has ended; what was added meanwhile becomes takeable."""
        del self._working[key]
        if key in self._due:
            self._push(key, self._due[key][0])

    def next_time(self) -> float | None:
        """When the next key is due; None when nothing is waiting."""
        times = [heap[0][0] for heap in (self._later, *self._now.values()) if self._drop_outdated(heap)]
        return min(times, default=None)

    def backoff_s(self, key: K) -> float:
        """How long to wait after one more failure."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return float(min(FIRST_BACKOFF_S * 2 ** min(failures, 20), MAX_BACKOFF_S))

    def succeeded(self, key: K) -> None:
        """Forgets the failures of a key."""
        self._failures.pop(key, None)

    def __len__(self) -> int:
        """Keys that wait, due or not."""
        return len(self._due)

    def backlog(self, now_s: float) -> tuple[int, float]:
        """How many keys are due, and for how many seconds the oldest of them has been."""
        waited = [now_s - at_s for at_s, _ in self._due.values() if at_s <= now_s]
        return len(waited), max(waited, default=0.0)

    def _push(self, key: K, at_s: float) -> None:
        self._order += 1
        heapq.heappush(self._later, (at_s, self._order, key))

    def _is_current(self, entry: tuple[float, int, K]) -> bool:
        at_s, _, key = entry
        return key not in self._working and key in self._due and self._due[key][0] == at_s

    def _drop_outdated(self, heap: list[tuple[float, int, K]]) -> bool:
        """Whether a heap has a key that waits, which is then its first."""
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)
        return bool(heap)


class WorkQueue(Generic[K]):
    """`Schedule` with workers. All methods belong to one event loop."""

    def __init__(self, clock: Callable[[], float], budget: RetryBudget | None = None) -> None:
        """
        Args:
            clock: seconds that never go back.
            budget: of retries; one of its own by default.
        """
        self._clock = clock
        self._schedule: Schedule[K] = Schedule()
        self._budget = budget or RetryBudget()
        self._changed = asyncio.Event()
        self._moved_at_s = clock()

    def backlog(self) -> tuple[int, float]:
        """How many keys are due, and for how many seconds the oldest of them has been."""
        return self._schedule.backlog(self._clock())

    def stands_still(self, bound_s: float) -> bool:
        """Whether a key has been due for longer than that, and no visit began or ended in all that time."""
        return self.backlog()[1] > bound_s and self._clock() - self._moved_at_s > bound_s

    def add(self, key: K, delay_s: float = 0.0, *, urgent: bool = False) -> None:
        """Makes a key due after a delay; an earlier time that is set already holds.

        Args:
            urgent: whether it goes before others that are due, as what people change goes before looks in passing.
        """
        self._schedule.add(key, self._clock() + max(0.0, delay_s), urgent=urgent)
        self._changed.set()

    def __len__(self) -> int:
        """Keys that wait, due or not."""
        return len(self._schedule)

    async def work(self, handle: Callable[[K], Awaitable[float | None]], *, workers: int) -> None:
        """Works until cancelled.

        Args:
            handle: one visit to a key; answers in how many seconds it wants the next one: with 0 the key keeps its
                place. An exception of it means "again, later": the delay grows with each in a row.
        """
        free = asyncio.Semaphore(workers)
        async with asyncio.TaskGroup() as group:
            while True:
                await free.acquire()
                group.create_task(self._visit(await self._take(), handle, free))

    async def _visit(self, key: K, handle: Callable[[K], Awaitable[float | None]], free: asyncio.Semaphore) -> None:
        try:
            again_s = await handle(key)
        except Exception as error:
            # Whatever it was, the key must not be lost.
            delay_s = max(self._schedule.backoff_s(key), self._budget.wait_s(self._clock()))
            logger.warning("a visit failed and is repeated", extra={"key": key, "in_s": delay_s, "error": error})
            logger.debug("the failed visit", exc_info=error)
            self._schedule.add(key, self._clock() + delay_s)
        else:
            self._schedule.succeeded(key)
            if again_s == 0:
                self._schedule.go_on(key)
            elif again_s is not None:
                self._schedule.add(key, self._clock() + _with_jitter(again_s))
        finally:
            self._schedule.done(key)
            self._moved_at_s = self._clock()
            self._changed.set()
            free.release()

    async def _take(self) -> K:
        while True:
            key = self._schedule.take(self._clock())
            if key is not None:
                self._moved_at_s = self._clock()
                return key
            self._changed.clear()
            next_time = self._schedule.next_time()
            delay_s = None if next_time is None else max(0.0, next_time - self._clock())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), delay_s)


def _with_jitter(delay_s: float) -> float:
    """A long delay a little longer; a short one is meant as it is."""
    return delay_s if delay_s < _JITTER_FROM_S else delay_s * (1.0 + JITTER * random.random())  # noqa: S311
