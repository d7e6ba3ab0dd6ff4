"""Starts everything: `python3 -m trainingrun_operator.main`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import kopf

from trainingrun_operator import accounting, handlers, logs, metrics, progress_writer
from trainingrun_operator.api.cluster import Cluster
from trainingrun_operator.cleaner import Cleaner
from trainingrun_operator.controller import Controller
from trainingrun_operator.core.errors import LeaseLostError, RefusedError, SetupError, TransientError
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.names import Kind
from trainingrun_operator.endpoints import monitoring
from trainingrun_operator.endpoints.gateway import Gateway, serve
from trainingrun_operator.endpoints.tokens import TokenVerifier
from trainingrun_operator.event_queue import EventQueue
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.leadership.election import Leadership
from trainingrun_operator.leadership.leases import Leases
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.relist import Relister
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter
from trainingrun_operator.queue import WorkQueue
from trainingrun_operator.settings import Settings

logger = logging.getLogger(__name__)
_API_RETRY_S = 3.0
# Longer than any call of the API server takes that does not answer.
STANDSTILL_S = 300.0
# At the same time as the workers': of the progress writer, the Events, the lists and the gateway.
_OTHER_CALLS = progress_writer.WORKERS + 3


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _check_installation(cluster: Cluster) -> None:
    """Waits for the API server and asks it for the CRD: without it kopf would only warn, and idle.

    Raises:
        SetupError: the CRD is not there.
    """
    while True:
        try:
            if await cluster.serves_the_resource():
                return
        except TransientError as error:
            logger.warning("the API server does not answer yet", extra={"error": error})
            await asyncio.sleep(_API_RETRY_S)
            continue
        except RefusedError as error:
            raise SetupError(f"the API server refuses discovery: {error}") from error
        raise SetupError(
            "the TrainingRun CRD is not installed: run `kubectl apply -f crds/trainingruns.yaml` and leave the chart's "
            "crds.install=false, or set crds.install=true; docs/operator.md says how Helm takes over a CRD of kubectl's"
        )


class Operator:
    """The operator's own tasks beside kopf; when one of them ends, all end, and the pod is restarted."""

    def __init__(self, settings: Settings, cluster: Cluster, leadership: Leadership) -> None:
        self._settings = settings
        self._cluster = cluster
        self._leadership = leadership
        self._defaults = settings.job_defaults()
        self.queue: WorkQueue[Key] = WorkQueue(time.monotonic)
        self.store = Store(wake=self.queue.add)
        self._relister = Relister(
            cluster,
            self.store,
            namespaces=settings.watch_namespaces,
            interval_s=settings.relist_interval.total_seconds(),
            enqueue=self.queue.add,
            restored=self._begin_anew,
        )
        self.workloads = Workloads(self.store) if settings.kueue_enabled else None
        self._workload_relister = None
        if self.workloads is not None:
            self._workload_relister = Relister(
                cluster,
                self.workloads,
                namespaces=settings.watch_namespaces,
                interval_s=settings.relist_interval.total_seconds(),
                enqueue=self.queue.add,
                kinds=(Kind.WORKLOAD,),
            )
        self._events = EventQueue(cluster, clock=time.monotonic)
        self._writer = ProgressWriter(
            cluster,
            self.store,
            interval=settings.progress_interval,
            clock=time.monotonic,
            now=_utc_now,
            written=self.queue.add,
        )
        self._controller = Controller(
            self.store,
            cluster,
            self._writer,
            Cleaner(self.store, cluster, keep_jobs=settings.keep_jobs, now=_utc_now),
            post_event=self._events.add,
            defaults=self._job_defaults,
            clock=time.monotonic,
            now=_utc_now,
            workloads=self.workloads,
        )
        verifier = TokenVerifier(cluster.token_keys, clock=time.monotonic)
        self._gateway = Gateway(self.store, self._writer, verifier, leads=leadership.is_certain, clock=time.monotonic)
        sources = metrics.Sources(
            runs_by_phase=lambda: accounting.runs_by_phase(self.store),
            backlog=self.queue.backlog,
            gpu_seconds=accounting.gpu_seconds,
            leads=leadership.is_certain,
        )
        self._monitoring = monitoring.listener(metrics.registry(sources), trouble=self.trouble)
        self.stop = asyncio.Event()
        self.failure: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def stand_by(self) -> None:
        """Listens on the port for the kubelet; returns once this operator leads, or is told to stop.

        Raises:
            SetupError: the operator can't lead as it was installed.
        """
        listening = asyncio.Event()
        monitoring = self._monitoring.serve(self._settings.metrics_port, started=listening)
        await self._serve(monitoring, "monitoring", listening)
        leads, stops = asyncio.ensure_future(self._take_the_lead()), asyncio.ensure_future(self.stop.wait())
        await asyncio.wait((leads, stops), return_when=asyncio.FIRST_COMPLETED)
        stops.cancel()
        if leads.done():
            leads.result()
        else:
            leads.cancel()

    async def _take_the_lead(self) -> None:
        await _check_installation(self._cluster)
        await self._leadership.take()

    async def find_workloads(self) -> str | None:
        """The version that Kueue's Workloads are followed in; None where they are not to be, or are not there."""
        if self.workloads is None:
            return None
        version = await self._cluster.find_workloads()
        if version is None:
            self._workload_relister = None
            logger.warning(
                "KUEUE_ENABLED is true, but the cluster serves no Workloads of Kueue: install Kueue, then restart the "
                "operator; until then it goes on without"
            )
        return version

    async def start(self) -> None:
        """Starts the tasks; returns once the gateway listens.

        Raises:
            SetupError: the gateway can't start.
        """
        settings = self._settings
        self._spawn(self._leadership.keep(), "lease")
        self._spawn(self._writer.work(), "progress")
        self._spawn(self._events.work(), "events")
        self._spawn(self._control(), "controller")
        listening = asyncio.Event()
        gateway = serve(self._gateway, port=settings.gateway_port, tls_dir=settings.gateway_tls_dir, started=listening)
        await self._serve(gateway, "gateway", listening)

    def trouble(self) -> str | None:
        """Why the process had better be started anew, in a sentence; None if it works."""
        if self.stop.is_set():
            return "one of the operator's tasks has ended"
        if self.queue.stands_still(STANDSTILL_S):
            return f"visits have been due for more than {STANDSTILL_S:.0f} s, and none began or ended in that time"
        return None

    async def _control(self) -> None:
        """Decides nothing before everything is known."""
        await self._relister.first()
        if self._workload_relister is not None:
            # Kueue may be down: then the runs go on without knowing what it waits for.
            await self._workload_relister.round()
        for key in self.store.active_runs():
            self.queue.add(key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._relister.work())
            if self._workload_relister is not None:
                group.create_task(self._workload_relister.work())
            visit = metrics.timed(self._controller.visit)
            group.create_task(self.queue.work(visit, workers=self._settings.workers))

    def _begin_anew(self) -> None:
        """By another process: kopf's watches can't be begun anew in this one."""
        self.failure = SetupError("etcd was restored from a backup: the operator ends, to be started anew")
        self.stop.set()

    def _job_defaults(self) -> JobDefaults:
        # The gateway's CA may be renewed. Should that go wrong, the runs go on with the one that is known.
        try:
            self._defaults = self._settings.job_defaults()
        except SetupError as error:
            logger.warning("new Jobs get the CA that was read before", extra={"error": error})
        return self._defaults

    async def end(self) -> None:
        """Ends the tasks."""
        # kopf waits 5 s for its own task that waits for this flag.
        self.stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, server: Coroutine[Any, Any, None], name: str, listening: asyncio.Event) -> None:
        task = self._spawn(server, name)
        waits = asyncio.ensure_future(listening.wait())
        await asyncio.wait((waits, task), return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.failure = task.exception() or RuntimeError(f"{task.get_name()} ended")
            self.stop.set()


async def run(settings: Settings) -> None:
    """Runs until a signal.

    Raises:
        SetupError: the operator can't start as it was installed.
        LeaseLostError: another operator leads.
    """
    leases = Leases()
    leadership = Leadership(leases, namespace=settings.lease_namespace, name=settings.lease_name, pod=settings.pod_id)
    workers = settings.workers + _OTHER_CALLS
    cluster = Cluster(reporter=settings.pod_id, workers=workers, may_write=leadership.is_certain)
    operator = Operator(settings, cluster, leadership)
    for number in (signal.SIGTERM, signal.SIGINT):
        # kopf puts handlers of its own in their place.
        asyncio.get_running_loop().add_signal_handler(number, operator.stop.set)
    try:
        await operator.stand_by()
        if not operator.stop.is_set():
            await _lead(operator, settings)
        if operator.failure is not None:
            raise operator.failure
    finally:
        await operator.end()
        await cluster.close()
        # Nothing of this process is on its way any more: another one may lead.
        await leadership.give_back()
        await leases.close()


async def _lead(operator: Operator, settings: Settings) -> None:
    registry = kopf.OperatorRegistry()
    kopf_settings = kopf.OperatorSettings()
    handlers.configure(kopf_settings)
    handlers.register(registry, operator.store, operator.queue.add)
    version = await operator.find_workloads()
    if operator.workloads is not None and version is not None:
        handlers.register_workloads(registry, kopf_settings, version, operator.workloads, operator.queue.add)
    kopf.on.login(registry=registry)(kopf.login_via_client)

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        await operator.end()

    await kopf.operator(
        registry=registry,
        settings=kopf_settings,
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
        stop_flag=operator.stop,
    )


def main() -> None:
    """The process's entry point; exit code 1 and one sentence when it can't start."""
    try:
        settings = Settings.read(os.environ)
        logs.configure(settings.log_level)
        # kopf would ask for the user's name otherwise, and the image's user has none.
        os.environ.setdefault("POD_ID", settings.pod_id)
        asyncio.run(run(settings))
    except (SetupError, LeaseLostError) as error:
        logs.configure("INFO")
        logger.critical("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
