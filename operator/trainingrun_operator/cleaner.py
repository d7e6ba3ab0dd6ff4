"""Clears up after runs: those that are over, and those that somebody deletes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from trainingrun_operator.api.client import Object
from trainingrun_operator.core.errors import GoneError
from trainingrun_operator.core.lifetime.deletion import jobs_to_end
from trainingrun_operator.core.lifetime.ttl import expiry_due, seconds_to_live
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import OverRun, Store

logger = logging.getLogger(__name__)


class CleanerPort(Protocol):
    """What is needed of the API server. All raise ClusterError's subclasses."""

    async def delete_run(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None: ...
    async def end_job(self, namespace: str, name: str) -> Object: ...
    async def expire_job(self, job: JobView, *, seconds: int) -> Object: ...


class Cleaner:
    """Asks nothing of what is at rest: what is due when is known from the store alone."""

    def __init__(
        self, store: Store, cluster: CleanerPort, *, keep_jobs: timedelta, now: Callable[[], datetime]
    ) -> None:
        """
        Args:
            keep_jobs: how long Jobs stay once their run is over, for their logs.
        """
        self._store = store
        self._cluster = cluster
        self._keep_jobs = keep_jobs
        self._now = now

    async def visit(self, key: Key) -> float | None:
        """Looks after a run that is over; answers in how many seconds it wants to be visited again.

        Raises:
            ClusterError: nothing is lost; the visit is to be repeated.
        """
        over = self._store.over(key)
        if over is None:
            return None
        if over.delete_at is None:
            return await self._expire_jobs(key)
        wait_s = (over.delete_at - self._now()).total_seconds()
        if wait_s <= 0:
            await self._delete(key, over)
            return None
        return wait_s

    async def end_jobs(self, run: Run) -> None:
        """Takes the pods from a run that is being deleted: it may stay for long, by a finalizer of somebody else.

        Raises:
            ClusterError: nothing is lost; the visit is to be repeated.
        """
        for job in jobs_to_end(run, self._store.jobs_of(run.uid)):
            try:
                self._store.observe_job(await self._cluster.end_job(job.namespace, job.name))
            except GoneError:
                continue
            logger.info("the run is being deleted: its Job was ended", extra={"job": f"{job.namespace}/{job.name}"})

    async def _delete(self, key: Key, over: OverRun) -> None:
        try:
            await self._cluster.delete_run(
                key.namespace, key.name, uid=over.uid, resource_version=over.resource_version
            )
        except GoneError:
            self._store.forget_run(key, over.uid)
        logger.info("the run was deleted: its time to live is over", extra={"run": f"{key.namespace}/{key.name}"})

    async def _expire_jobs(self, key: Key) -> float | None:
        """Jobs of a run that is to be deleted go with it; those of any other get a time to live of their own."""
        waits_s = []
        for job in self._store.leftovers.of(key):
            now = self._now()
            wait_s = expiry_due(job, now).total_seconds()
            if wait_s > 0:
                waits_s.append(wait_s)
                continue
            with contextlib.suppress(GoneError):
                await self._cluster.expire_job(job, seconds=seconds_to_live(job, now, self._keep_jobs))
            self._store.leftovers.drop(key, job.uid)
        return max(waits_s, default=None)
