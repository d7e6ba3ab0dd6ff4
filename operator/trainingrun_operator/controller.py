"""One visit to one run: store -> Observed -> reconcile() -> Plan -> cluster.

The order of the writes is what makes every crash harmless: Jobs first (their names are deterministic), then the last
progress, then the status in one piece, and Events only when that was stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from trainingrun_operator import accounting
from trainingrun_operator.cluster import ClusterPort
from trainingrun_operator.core.errors import ClusterError, GoneError, InvalidError, RefusedError
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.observed import view_job
from trainingrun_operator.core.plan import CreateError, Observed, Plan
from trainingrun_operator.core.reconcile import reconcile, relevant_jobs
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.progress_writer import ProgressWriter
from trainingrun_operator.store import Key, Store

logger = logging.getLogger(__name__)

# A watch that broke can miss a deletion for good; so each active run is read live from time to time.
REFRESH_S = 240.0


class Controller:
    """Visits runs."""

    def __init__(
        self,
        store: Store,
        cluster: ClusterPort,
        writer: ProgressWriter,
        *,
        defaults: Callable[[], JobDefaults],
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._writer = writer
        self._defaults = defaults
        self._clock = clock
        self._now = now
        self._refreshed: dict[Key, tuple[str, float]] = {}

    async def visit(self, key: Key) -> float | None:
        """Brings one run forward; answers in how many seconds it wants to be visited again.

        Raises:
            ClusterError: nothing is lost; the visit is to be repeated.
        """
        run = self._read(key)
        if run is None or run.status.is_terminal or run.deleting:
            self._forget(key)
            return None
        run = await self._look_live(key, run)
        if run is None:
            return None
        observed = self._observe(run)
        accounting.saw(observed)
        plan = reconcile(observed, self._now())
        try:
            if not await self._create(run, plan):
                return 0.0
        except (InvalidError, RefusedError) as error:
            name = plan.create[0]["metadata"]["name"]
            refusal = CreateError(job_name=name, message=str(error), permanent=isinstance(error, InvalidError))
            plan = reconcile(replace(observed, create_error=refusal), self._now())
        await self._carry_out(run, plan)
        if plan.status is not None:
            accounting.wrote(observed, plan.status, self._now())
        return None if plan.requeue_after is None else plan.requeue_after.total_seconds()

    def _read(self, key: Key) -> Run | None:
        body = self._store.run(key)
        if body is None:
            return None
        try:
            return Run.parse(body)
        except ValidationError as error:
            # Neither failed nor healthy: an older or newer operator may well read it.
            raise ClusterError(f"TrainingRun {key.namespace}/{key.name} can't be read: {error}") from error

    async def _look_live(self, key: Key, run: Run) -> Run | None:
        """Fills in what the next decision needs and the watch has not shown."""
        uid, refreshed_at_s = self._refreshed.get(key, ("", 0.0))
        refresh = uid != run.uid or self._clock() - refreshed_at_s > REFRESH_S
        if refresh:
            try:
                self._store.observe_run(await self._cluster.get_run(run.namespace, run.name))
            except GoneError:
                self._store.forget_run(key, run.uid)
                self._forget(key)
                return None
            fresh = self._read(key)
            if fresh is None or fresh.uid != run.uid:
                return None
            run = fresh
        for name in relevant_jobs(run):
            known = self._store.job_named(run.namespace, name)
            if known is None or refresh:
                try:
                    self._store.observe_job(await self._cluster.get_job(run.namespace, name))
                except GoneError:
                    if known is not None:
                        self._store.forget_job(known.uid)
        if refresh and not self._pods_decide(run):
            await self._list_pods(run)
        # Asked anew: a Job may have ended after its pods were listed.
        if self._pods_decide(run):
            await self._list_pods(run)
        if refresh:
            self._refreshed[key] = (run.uid, self._clock())
        return run

    def _forget(self, key: Key) -> None:
        self._refreshed.pop(key, None)
        self._writer.forget(key)
        accounting.is_over(key)

    async def _list_pods(self, run: Run) -> None:
        known_before = self._store.pods_of(run.uid)
        self._store.replace_pods(known_before, await self._cluster.list_pods(run))

    def _pods_decide(self, run: Run) -> bool:
        """Whether a pod that the watch shows too late would mislead: a Job has ended, or the next one is due."""
        jobs = [self._store.job_named(run.namespace, name) for name in relevant_jobs(run)]
        return len(jobs) > 1 or any(job is not None and job.finished for job in jobs)

    def _observe(self, run: Run) -> Observed:
        jobs = {job.uid: job for job in self._store.jobs_of(run.uid)}
        for name in relevant_jobs(run):
            job = self._store.job_named(run.namespace, name)
            if job is not None:
                jobs[job.uid] = job
        pods = self._store.pods_of(run.uid)
        return Observed(run=run, jobs=tuple(jobs.values()), pods=pods, defaults=self._defaults())

    async def _create(self, run: Run, plan: Plan) -> bool:
        """Creates the plan's Jobs and what they need; False when a Job of that name is there that is not the run's."""
        for manifest in plan.services:
            await self._cluster.create_service(manifest)
        for manifest in plan.create:
            body = await self._cluster.create_job(manifest)
            self._store.observe_job(body)
            if view_job(body).owner_uid != run.uid:
                return False
        return True

    async def _carry_out(self, run: Run, plan: Plan) -> None:
        for name, suspend in plan.suspend:
            self._store.observe_job(await self._cluster.set_suspend(run.namespace, name, suspend=suspend))
        if plan.progress is not None:
            await self._writer.write_final(run, plan.progress)
        if plan.status is None:
            return
        body = await self._cluster.apply_status(run, plan.status.without_progress())
        self._store.observe_run(body)
        logger.info(
            "status written",
            extra={"run": f"{run.namespace}/{run.name}", "phase": plan.status.phase, "stage": plan.status.stage},
        )
        for event in plan.events:
            try:
                await self._cluster.post_event(run, event, self._now())
            except ClusterError as error:
                logger.warning(
                    "an Event was not posted", extra={"run": run.name, "reason": event.reason, "error": error}
                )
