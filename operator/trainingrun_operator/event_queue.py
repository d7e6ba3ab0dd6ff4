"""Posts Events behind everything else: a visit never waits for one, and where none is taken nothing else is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from trainingrun_operator.core.errors import ClusterError, TransientError
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.queue import WorkQueue

logger = logging.getLogger(__name__)
MOST_WAITING = 2000
TRIES = 4


class EventPoster(Protocol):
    """The one call of the cluster that is needed here."""

    async def post_event(self, run: Run, event: Event, at: datetime) -> None: ...


class _Name(NamedTuple):
    run_uid: str
    event: str


@dataclass
class _Waiting:
    run: Run
    event: Event
    at: datetime
    tries: int = 0


class EventQueue:
    """Events that wait to be posted, one at a time. They are for people to read: what can't be posted is dropped."""

    def __init__(self, cluster: EventPoster, *, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._waiting: dict[_Name, _Waiting] = {}
        self._queue: WorkQueue[_Name] = WorkQueue(clock)
        self._is_full = False

    def add(self, run: Run, event: Event, at: datetime) -> None:
        """Takes an Event, to be posted soon."""
        name = _Name(run.uid, event.key)
        if len(self._waiting) >= MOST_WAITING:
            if not self._is_full:
                logger.warning("Events are dropped: too many wait to be posted", extra={"waiting": MOST_WAITING})
            self._is_full = True
            return
        self._is_full = False
        self._waiting[name] = _Waiting(run, event, at)
        self._queue.add(name)

    async def work(self) -> None:
        """Posts until cancelled."""
        await self._queue.work(self._post, workers=1)

    async def _post(self, name: _Name) -> None:
        waiting = self._waiting.get(name)
        if waiting is None:
            return
        waiting.tries += 1
        try:
            await self._cluster.post_event(waiting.run, waiting.event, waiting.at)
        except ClusterError as error:
            if isinstance(error, TransientError) and waiting.tries < TRIES:
                raise
            logger.warning(
                "an Event was not posted",
                extra={"run": waiting.run.name, "reason": waiting.event.reason, "error": error},
            )
        # One of the same name that was added meanwhile goes, too: the API server would refuse it as a double.
        del self._waiting[name]
