"""One visit to one run: store -> Observed -> reconcile() -> Plan -> cluster.

The order of the writes is what makes every crash harmless: Jobs first (their names are deterministic), then the last
progress, then the status in one piece, and Events only when that was stored. Before a run starts, what it needs is
tried: nothing of that is stored.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from trainingrun_operator import accounting
from trainingrun_operator.api.client import Object
from trainingrun_operator.api.cluster import ClusterPort
from trainingrun_operator.api.dry_runs import DryRuns
from trainingrun_operator.cleaner import Cleaner
from trainingrun_operator.core.attempt import awaited_job, relevant_jobs
from trainingrun_operator.core.damping import patience
from trainingrun_operator.core.errors import GoneError, InvalidError, RefusedError
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.names import LABEL_STAGE
from trainingrun_operator.core.observed import JobView, PodView, tells_the_end, view_job
from trainingrun_operator.core.plan import CreateError, Event, Observed, Plan
from trainingrun_operator.core.reconcile import reconcile
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage, Status
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter

logger = logging.getLogger(__name__)

# More of one Job's pods are cheaper listed than read one by one.
_MOST_PODS_READ_BY_NAME = 4
PostEvent = Callable[[Run, Event, datetime], None]


class _NotMade(Exception):  # noqa: N818  (it is an answer)
    """The API server does not take an object."""

    def __init__(self, error: CreateError) -> None:
        super().__init__(error.message)
        self.error = error


@contextlib.contextmanager
def _telling_what(manifest: Object) -> Iterator[None]:
    """Tells of a refusal which object it is of."""
    try:
        yield
    except (InvalidError, RefusedError) as error:
        raise _NotMade(
            CreateError(
                kind=manifest["kind"],
                name=manifest["metadata"]["name"],
                stage=Stage(manifest["metadata"]["labels"][LABEL_STAGE]),
                message=str(error),
                permanent=isinstance(error, InvalidError),
                causes=error.causes if isinstance(error, InvalidError) else (),
            )
        ) from error


class Controller:
    """Visits runs."""

    def __init__(
        self,
        store: Store,
        cluster: ClusterPort,
        writer: ProgressWriter,
        cleaner: Cleaner,
        *,
        post_event: PostEvent,
        defaults: Callable[[], JobDefaults],
        clock: Callable[[], float],
        now: Callable[[], datetime],
        workloads: Workloads | None = None,
    ) -> None:
        """
        Args:
            workloads: Kueue's, where the operator follows them.
        """
        self._store = store
        self._cluster = cluster
        self._writer = writer
        self._cleaner = cleaner
        self._post_event = post_event
        self._defaults = defaults
        self._clock = clock
        self._now = now
        self._workloads = workloads
        self._dry_runs = DryRuns(cluster, clock)
        # Since when a run's status is to be another one than it is.
        self._differs_since_s: dict[Key, float] = {}
        # Jobs of a run that were looked for live, once, since only pods of theirs were in sight.
        self._looked_for: dict[Key, set[str]] = {}
        # How often in a row a run's Job was refused.
        self._refusals: dict[Key, int] = {}

    async def visit(self, key: Key) -> float | None:
        """Brings one run forward; answers in how many seconds it wants to be visited again.

        Raises:
            ClusterError: nothing is lost; the visit is to be repeated.
        """
        run = self._store.run(key)
        if run is None or run.deleting:
            self._forget(key)
        if run is None:
            return await self._cleaner.visit(key)
        if run.deleting:
            await self._cleaner.end_jobs(run)
            return None
        observed = await self._observe(run)
        accounting.saw(observed)
        plan = reconcile(observed, self._now())
        if plan.create:
            # Before anything is waited for: no other run may begin at the same place meanwhile.
            self._store.places.begin(run.uid, run.status.current_stage)
        try:
            foreign = await self._create(run, plan)
        except _NotMade as refused:
            plan = self._refused(observed, key, refused)
        else:
            if plan.tries or plan.create:
                self._refusals.pop(key, None)
            if foreign is not None:
                plan = reconcile(replace(observed, jobs=(*observed.jobs, foreign)), self._now())
        return await self._carry_out(key, observed, plan)

    def _forget(self, key: Key) -> None:
        self._differs_since_s.pop(key, None)
        self._refusals.pop(key, None)
        self._looked_for.pop(key, None)
        self._writer.forget(key)
        accounting.is_over(key)

    async def _observe(self, run: Run) -> Observed:
        """What is known of a run. Live is read only what a decision would rest on without having been seen."""
        jobs = {job.uid: job for job in self._store.jobs_of(run.uid)}
        named = {name: self._store.job_named(run.namespace, name) for name in relevant_jobs(run)}
        key, awaited = Key(run.namespace, run.name), awaited_job(run)
        is_out_of_sight = awaited is None and not any(named.values()) and self._has_pods_at_work(run)
        if is_out_of_sight and self._looked_for.get(key) != set(named):
            # As where somebody has taken the label away from the Job whose pods they are.
            named = {name: await self._read_job(run, name) for name in named}
            self._looked_for[key] = set(named)
        jobs |= {job.uid: job for job in named.values() if job is not None}
        if awaited is not None:
            job = self._store.job_named(run.namespace, awaited) or await self._read_job(run, awaited)
            if job is not None:
                jobs[job.uid] = job
                if job.finished and job.owner_uid == run.uid:
                    await self._read_pods(run, job)
        pods = self._store.pods_of(run.uid)
        workloads = None if self._workloads is None else self._workloads.of_jobs(jobs.values())
        return Observed(
            run=run,
            jobs=tuple(jobs.values()),
            pods=pods,
            workloads=workloads,
            defaults=self._defaults(),
            ahead=self._store.places.ahead_of(run.uid),
        )

    def _has_pods_at_work(self, run: Run) -> bool:
        stage = run.status.current_stage
        return any(pod.stage == stage and not (pod.gone or pod.terminal) for pod in self._store.pods_of(run.uid))

    async def _read_job(self, run: Run, name: str) -> JobView | None:
        """Looks for a Job that has been made and is not in sight: nothing is lost because a watch or a label is."""
        try:
            body = await self._cluster.get_job(run.namespace, name)
        except GoneError:
            await self._list_pods(run)
            return None
        self._store.observe_job(body)
        return view_job(body)

    async def _read_pods(self, run: Run, job: JobView) -> None:
        """Looks at the pods of a Job that has ended, where what is known of them does not tell how."""
        pods = self._pods_of(run, job)
        if tells_the_end(job, pods):
            return
        unended = [pod for pod in pods if not (pod.terminal or pod.gone)]
        if 0 < len(unended) <= _MOST_PODS_READ_BY_NAME:
            for pod in unended:
                self._store.pods_are((pod,), await self._read_pod(pod))
        if not tells_the_end(job, self._pods_of(run, job)):
            await self._list_pods(run)

    async def _read_pod(self, pod: PodView) -> list[Object]:
        try:
            body = await self._cluster.get_pod(pod.namespace, pod.name)
        except GoneError:
            return []
        return [body] if body["metadata"]["uid"] == pod.uid else []

    async def _list_pods(self, run: Run) -> None:
        known_before = self._store.pods_of(run.uid)
        self._store.pods_are(known_before, await self._cluster.list_pods(run))

    def _pods_of(self, run: Run, job: JobView) -> list[PodView]:
        return [pod for pod in self._store.pods_of(run.uid) if pod.owner_uid == job.uid]

    async def _create(self, run: Run, plan: Plan) -> JobView | None:
        """Creates the plan's Jobs and what they need; answers a Job of that name that is there and not the run's.

        Raises:
            _NotMade: the API server does not take one of them.
        """
        for trial in plan.tries:
            with _telling_what(trial.manifest):
                await self._dry_runs.takes(trial)
        for manifest in plan.services:
            with _telling_what(manifest):
                await self._cluster.create_service(manifest)
        for manifest in plan.create:
            with _telling_what(manifest):
                body = await self._cluster.create_job(manifest)
            job = view_job(body)
            if job.owner_uid != run.uid:
                return job
            self._store.observe_job(body)
        return None

    def _refused(self, observed: Observed, key: Key, refused: _NotMade) -> Plan:
        times_before = self._refusals.get(key, 0)
        self._refusals[key] = times_before + 1
        self._store.places.withdraw(observed.run.uid)
        error = replace(refused.error, times_before=times_before)
        return reconcile(replace(observed, create_error=error), self._now())

    async def _carry_out(self, key: Key, observed: Observed, plan: Plan) -> float | None:
        run = observed.run
        for job in plan.delete:
            try:
                await self._cluster.delete_job(job)
            except GoneError:
                # No watch tells of it where somebody has taken its label away.
                self._store.forget_job(job.uid)
        for name, suspend in plan.suspend:
            self._store.observe_job(await self._cluster.set_suspend(run.namespace, name, suspend=suspend))
        for name, active in plan.activate:
            body = await self._cluster.set_active(run.namespace, name, active=active)
            if self._workloads is not None:
                self._workloads.observe(body)
        for name in plan.end:
            self._store.observe_job(await self._cluster.end_job(run.namespace, name))
        if plan.progress is not None:
            await self._writer.write_final(run, plan.progress)
            # Its own write has made the run another version, and nothing of what was decided on.
            run = self._with_version_of_progress(key, run)
        again_s = None if plan.requeue_after is None else plan.requeue_after.total_seconds()
        wait_s = self._wait_s(key, run, plan.status)
        if wait_s > 0:
            return wait_s if again_s is None else min(wait_s, again_s)
        if plan.status is not None:
            if not await self._write_status(key, run, plan.status):
                return None
            accounting.wrote(observed, plan.status, self._now())
        for event in plan.events:
            self._post_event(run, event, self._now())
        # A run that has just ended is looked after by the cleaner from now on.
        return 0.0 if self._store.is_over(key) else again_s

    def _with_version_of_progress(self, key: Key, run: Run) -> Run:
        latest = self._store.run(key)
        unchanged = latest is not None and latest.uid == run.uid and latest.generation == run.generation
        if latest is None or not unchanged or latest.status.differs(run.status):
            return run
        return latest

    def _wait_s(self, key: Key, run: Run, status: Status | None) -> float:
        """How long the status is still to differ before it is written."""
        if status is None:
            self._differs_since_s.pop(key, None)
            return 0.0
        since_s = self._differs_since_s.setdefault(key, self._clock())
        return patience(run.status, status).total_seconds() - (self._clock() - since_s)

    async def _write_status(self, key: Key, run: Run, status: Status) -> bool:
        """Whether the run was there to be written to."""
        try:
            body = await self._cluster.apply_status(run, status.without_progress())
        except GoneError:
            self._store.forget_run(key, run.uid)
            self._forget(key)
            return False
        self._differs_since_s.pop(key, None)
        self._store.observe_answer(body)
        logger.info(
            "status written",
            extra={"run": f"{run.namespace}/{run.name}", "phase": status.phase, "stage": status.stage},
        )
        return True
