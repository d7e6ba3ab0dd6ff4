"""An operator's controller over a fake cluster: what its watches show is the test's to say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.world import DEFAULTS, World
from trainingrun_operator.cleaner import Cleaner
from trainingrun_operator.controller import Controller
from trainingrun_operator.core.names import RUN_KINDS, Kind
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.relist import Relister
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter

KEY = Key("demo", "tables")


async def _at_once(_: float) -> None:
    """Waits for nothing."""


class Operator:
    """A controller over a fake cluster; `restarts` forgets all that it knew and lists everything."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.cluster = FakeCluster(self.world)
        self.events: list[str] = []
        self.clock_s = 0.0
        self.restarts()

    def restarts(self) -> None:
        self.begins_anew()
        self.sees_everything()

    def begins_anew(self) -> None:
        """A process that knows nothing yet."""
        self.store = Store()
        self.workloads = Workloads(self.store) if self.world.workloads is not None else None
        self.writer = ProgressWriter(
            self.cluster,
            self.store,
            interval=timedelta(seconds=10),
            clock=lambda: self.clock_s,
            now=lambda: self.world.now,
        )
        self.controller = Controller(
            self.store,
            self.cluster,
            self.writer,
            Cleaner(self.store, self.cluster, keep_jobs=timedelta(days=1), now=lambda: self.world.now),
            post_event=self._post_event,
            defaults=lambda: DEFAULTS,
            clock=lambda: self.clock_s,
            now=lambda: self.world.now,
            workloads=self.workloads,
        )

    def relister(self, enqueue: Callable[[Key], None]) -> Relister:
        return Relister(self.cluster, self.store, namespaces=(), interval_s=300.0, enqueue=enqueue, sleep=_at_once)

    def _post_event(self, _: Run, event: Event, __: datetime) -> None:
        self.events.append(event.reason)

    def sees_everything(self) -> None:
        """The watch delivers."""
        self.store.observe_run(self.cluster.stored_run())
        for job in self.cluster.stored(Kind.JOB):
            self.store.observe_job(job)
        for pod in self.cluster.stored(Kind.POD):
            self.store.observe_pod(pod)
        for workload in self.cluster.stored(Kind.WORKLOAD):
            if self.workloads is not None:
                self.workloads.observe(workload)

    def lists_everything(self) -> None:
        """A round of lists."""
        for kind in RUN_KINDS:
            listing = self.store.begin_listing(kind, None)
            listing.version = self.cluster.version
            for body in self.cluster.stored(kind):
                self.store.take_listed(listing, body)
            self.store.end_listing(listing)
            self.store.drop_listing(listing)

    async def visits(self, times: int = 1) -> float | None:
        again = None
        for _ in range(times):
            again = await self.controller.visit(KEY)
        return again

    async def comes_to_rest(self) -> None:
        """Visits, and again as soon as it wants to within seconds."""
        for _ in range(10):
            again_s = await self.controller.visit(KEY)
            if again_s is None or again_s > 10.0:
                return
            self.clock_s += again_s
        raise AssertionError("the operator does not come to rest")
