"""Which connections a server takes: the policy alone, with the time given to it.

Nobody outside may take the room of others. One that comes when there is no room is taken all the same, and the oldest
of the source that has the most goes for it: whoever is slow on purpose only displaces himself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from trainingrun_operator.core.progress.rate_limit import RateLimit

C = TypeVar("C")

_MAX_SOURCES = 1000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many connections there may be at a time, and how many may lead to nothing."""

    in_all: int
    per_source: int
    # In a row, and in each second; a connection that bears fruit is not counted.
    fruitless_in_all: int
    fruitless_per_source: int


class Connections(Generic[C]):
    """The connections that are open, by where they come from."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Oldest first, both.
        self._by_source: dict[str, dict[C, None]] = {}
        self._source_of: dict[C, str] = {}
        self._all = _bucket(limits.fruitless_in_all)
        self._sources: dict[str, RateLimit] = {}

    def __len__(self) -> int:
        return len(self._source_of)

    def allows(self, source: str, now_s: float) -> bool:
        """Whether one more from there may be looked at. Each one counts, until `bore_fruit` says otherwise."""
        bucket, allowed = self._sources.get(source, _bucket(self._limits.fruitless_per_source)).take(now_s)
        if len(self._sources) >= _MAX_SOURCES:
            # A bucket that nobody took from for a second is full, which is what a new one is.
            self._sources = {name: each for name, each in self._sources.items() if now_s - each.at_s < 1.0}
        self._sources[source] = bucket
        if allowed:
            self._all, allowed = self._all.take(now_s)
        return allowed

    def add(self, connection: C, source: str) -> C | None:
        """Takes a connection; answers which other one has to be closed for it, if one has to."""
        displaced = None
        if len(self._by_source.get(source, ())) >= self._limits.per_source:
            displaced = next(iter(self._by_source[source]))
        elif len(self) >= self._limits.in_all:
            largest = max(self._by_source, key=lambda name: len(self._by_source[name]))
            displaced = next(iter(self._by_source[largest]))
        if displaced is not None:
            self.remove(displaced)
        self._by_source.setdefault(source, {})[connection] = None
        self._source_of[connection] = source
        return displaced

    def remove(self, connection: C) -> None:
        """It is closed, or going to be; may be said twice."""
        source = self._source_of.pop(connection, None)
        if source is None:
            return
        del self._by_source[source][connection]
        if not self._by_source[source]:
            del self._by_source[source]

    def bore_fruit(self, source: str) -> None:
        """A connection from there was an honest one."""
        self._all = self._all.given_back()
        bucket = self._sources.get(source)
        if bucket is not None:
            self._sources[source] = bucket.given_back()


def _bucket(per_second: int) -> RateLimit:
    return RateLimit(burst=per_second, per_second=per_second, tokens=per_second)
