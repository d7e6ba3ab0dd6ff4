"""A work queue: de-duplicates, delays, backs off; a key is never worked on twice at the same time.

`Schedule` is the bookkeeping alone, with the time given to it; `WorkQueue` puts it on the event loop. The rules are
those of client-go's work queue: a key that is added while it is worked on is worked on again afterwards, never beside.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 60.0


class Schedule(Generic[K]):
    """Which key is due when, which one is being worked on, and how often each has failed in a row."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}

    def add(self, key: K, at_s: float) -> None:
        """Makes a key due at a time; the earliest of several times holds."""
        due = self._due.get(key)
        if due is not None and due <= at_s:
            return
        self._due[key] = at_s
        if key not in self._working:
            self._push(key, at_s)

    def take(self, now_s: float) -> K | None:
        """The key that has been due longest, marked as worked on; None when none is due."""
        while self._heap and self._heap[0][0] <= now_s:
            at_s, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == at_s and key not in self._working:
                del self._due[key]
                self._working.add(key)
                return key
        return None

    def done(self, key: K) -> None:
        """The work on a key has ended; what was added meanwhile becomes takeable."""
        self._working.discard(key)
        due = self._due.get(key)
        if due is not None:
            self._push(key, due)

    def next_time(self) -> float | None:
        """When the next key is due; None when nothing is waiting."""
        while self._heap:
            at_s, _, key = self._heap[0]
            if self._due.get(key) == at_s and key not in self._working:
                return at_s
            heapq.heappop(self._heap)
        return None

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
        waited = [now_s - at_s for at_s in self._due.values() if at_s <= now_s]
        return len(waited), max(waited, default=0.0)

    def _push(self, key: K, at_s: float) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at_s, self._order, key))


class WorkQueue(Generic[K]):
    """`Schedule` with workers. All methods belong to one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._schedule: Schedule[K] = Schedule()
        self._changed = asyncio.Event()
        self._moved_at_s = clock()

    def backlog(self) -> tuple[int, float]:
        """How many keys are due, and for how many seconds the oldest of them has been."""
        return self._schedule.backlog(self._clock())

    def stands_still(self, bound_s: float) -> bool:
        """Whether a key has been due for longer than that, and no visit began or ended in all that time."""
        return self.backlog()[1] > bound_s and self._clock() - self._moved_at_s > bound_s

    def add(self, key: K, delay_s: float = 0.0) -> None:
        """Makes a key due after a delay; an earlier time that is set already holds."""
        self._schedule.add(key, self._clock() + max(0.0, delay_s))
        self._changed.set()

    async def work(self, handle: Callable[[K], Awaitable[float | None]], *, workers: int) -> None:
        """Works until cancelled.

        Args:
            handle: one visit to a key; answers in how many seconds it wants the next one. An exception of it means
                "again, later": the delay grows with each in a row.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker(handle))

    async def _worker(self, handle: Callable[[K], Awaitable[float | None]]) -> None:
        while True:
            key = await self._take()
            try:
                again_s = await handle(key)
            except Exception as error:
                # Whatever it was, the key must not be lost.
                delay_s = self._schedule.backoff_s(key)
                logger.warning("a visit failed and is repeated", extra={"key": key, "in_s": delay_s, "error": error})
                logger.debug("the failed visit", exc_info=error)
                self._schedule.add(key, self._clock() + delay_s)
            else:
                self._schedule.succeeded(key)
                if again_s is not None:
                    self._schedule.add(key, self._clock() + max(0.0, again_s))
            finally:
                self._schedule.done(key)
                self._moved_at_s = self._clock()
                self._changed.set()

    async def _take(self) -> K:
        while True:
            key = self._schedule.take(self._clock())
            if key is not None:
                self._moved_at_s = self._clock()
                # Another key may be due, too: let the next worker look.
                self._changed.set()
                return key
            self._changed.clear()
            next_time = self._schedule.next_time()
            delay_s = None if next_time is None else max(0.0, next_time - self._clock())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), delay_s)
