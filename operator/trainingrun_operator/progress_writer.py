"""Brings progress into the status: takes reports in order, coalesces them, writes by a field manager of its own.

It writes to the run as it was observed, as the controller does: a process that stood still while another took its place
would put back checkpoints that are newer than those it knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from trainingrun_operator import accounting
from trainingrun_operator.api.client import Object
from trainingrun_operator.core.errors import ClusterError, ConflictError, GoneError, InvalidError, RefusedError
from trainingrun_operator.core.plan import ProgressUpdate
from trainingrun_operator.core.progress.report import Report
from trainingrun_operator.core.progress.shards import ShardReports
from trainingrun_operator.core.progress.state import ProgressState, advance, is_newer, write_delay
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store
from trainingrun_operator.queue import WorkQueue

logger = logging.getLogger(__name__)
# So many writes at a time: of 1,000 runs there are 100 a second.
WORKERS = 8


class StatusWriter(Protocol):
    """The one call of the cluster that is needed here."""

    async def apply_progress(self, run: Run, status: Object) -> Object: ...


@dataclass
class _Entry:
    """One run: what was taken, what of it is written."""

    run: Run
    state: ProgressState
    written: ProgressState
    # What was sent last; where no answer came, it may have been written.
    sent: ProgressState
    written_at_s: float = float("-inf")
    # Writes of one run must not overtake one another.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    shards: ShardReports | None = None
    # Whether what is taken ends with a final report.
    final: bool = False


class ProgressWriter:
    """Keeps the newest report of each run and writes it when it is due."""

    def __init__(
        self,
        cluster: StatusWriter,
        store: Store,
        *,
        interval: timedelta,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        written: Callable[[Key], None] = lambda _: None,
    ) -> None:
        """
        Args:
            written: called with each run whose progress was written, since its conditions tell of reports.
        """
        self._cluster = cluster
        self._store = store
        self._interval = interval
        self._clock = clock
        self._now = now
        self._written = written
        self._entries: dict[Key, _Entry] = {}
        self._queue: WorkQueue[Key] = WorkQueue(clock)

    def take(
        self,
        run: Run,
        report: Report,
        pod_uid: str,
        *,
        from_newest_pod: bool,
        completed: Collection[int] = (),
    ) -> bool:
        """Takes a report, to be written later; answers whether it came after all that were taken before.

        Args:
            from_newest_pod: whether the pod is the newest one of its Job, or of its shard.
            completed: shards whose pod has succeeded.
        """
        entry = self._entry(run)
        entry.run = run
        shard = report.shard
        if shard is not None:
            shards = entry.shards
            if shards is None or not shards.are_of(report, shard):
                shards = ShardReports.begun(report, shard, entry.state.progress)
            shards = shards.take(report, shard, pod_uid, from_newest_pod=from_newest_pod)
            if shards is None:
                return False
            entry.shards = shards
            report = shards.whole(completed)
            entry.state = advance(entry.state, report, None, self._now())
        elif is_newer(entry.state.progress, report, pod_uid, from_newest_pod=from_newest_pod):
            entry.state = advance(entry.state, report, pod_uid, self._now())
        else:
            return False
        entry.final = report.final
        self._queue.add(_key(run), self._delay_s(entry))
        return True

    async def write_final(self, run: Run, update: ProgressUpdate) -> None:
        """Writes the progress of a termination message, before anything else is decided on it.

        What the API server will not take is dropped: a result is worth more than its figures.

        Raises:
            ClusterError: it is not written; the same call again will.
        """
        entry = self._entry(run)
        if update.report is None:
            entry.state = entry.state.cleared()
        elif is_newer(entry.state.progress, update.report, update.pod_uid, from_newest_pod=True):
            entry.state = advance(entry.state, update.report, update.pod_uid, self._now())
        try:
            await self._write(entry)
        except (InvalidError, RefusedError) as error:
            self._drop(_key(run), error)

    def forget(self, key: Key) -> None:
        """The run is over or gone."""
        self._entries.pop(key, None)

    async def work(self) -> None:
        """Writes what is due until cancelled."""
        await self._queue.work(self._visit, workers=WORKERS)

    def _delay_s(self, entry: _Entry) -> float:
        since = timedelta(seconds=min(self._clock() - entry.written_at_s, 1e6))
        delay = write_delay(entry.written, entry.state, since_write=since, interval=self._interval, final=entry.final)
        return delay.total_seconds()

    async def _visit(self, key: Key) -> float | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        # What was reported during a write was made due by what had been written before.
        delay_s = self._delay_s(entry)
        if delay_s > 0:
            return delay_s
        try:
            await self._write(entry)
        except (GoneError, InvalidError) as error:
            self._drop(key, error)
        return None

    def _drop(self, key: Key, error: ClusterError) -> None:
        # Progress is never worth more than this: the run goes on without.
        logger.warning("progress is dropped", extra={"run": str(key), "error": error})
        self.forget(key)

    async def _write(self, entry: _Entry) -> None:
        async with entry.lock:
            state, key = entry.state, _key(entry.run)
            if state == entry.written:
                return
            run = self._store.run(key) or entry.run
            seen = ProgressState.of(run.status)
            if run.uid != entry.run.uid or not seen.is_as_new_as(entry.written, entry.sent):
                # What was taken rests on what is no more; the next report has it all.
                self.forget(key)
                raise ConflictError("the run's progress is not as this process has written it")
            entry.sent = state
            body = await self._cluster.apply_progress(run, state.to_json())
            accounting.wrote_progress(run, entry.written, state, self._now())
            entry.written = state
            entry.written_at_s = self._clock()
            self._store.observe_answer(body)
            self._written(key)

    def _entry(self, run: Run) -> _Entry:
        entry = self._entries.get(_key(run))
        if entry is None or entry.run.uid != run.uid:
            state = ProgressState.of(run.status)
            entry = self._entries[_key(run)] = _Entry(run=run, state=state, written=state, sent=state)
        return entry


def _key(run: Run) -> Key:
    return Key(run.namespace, run.name)
