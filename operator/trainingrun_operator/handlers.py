"""What kopf calls: remember the object, enqueue its run where that is news. Nothing is decided here.

Only `on.event`: kopf's other handlers put annotations and finalizers on objects and block their deletion while the
operator is down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import kopf

from trainingrun_operator.core.names import (
    GROUP,
    KUEUE_GROUP,
    LABEL_JOB_UID,
    LABEL_RUN_UID,
    PLURAL,
    VERSION,
    Kind,
)
from trainingrun_operator.kueue.workloads import Workloads
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

Observe = Callable[..., Key | None]


class Enqueue(Protocol):
    """The work queue's `add`."""

    def __call__(self, key: Key, *, urgent: bool) -> None: ...


def register(registry: kopf.OperatorRegistry, store: Store, enqueue: Enqueue) -> None:
    """Watches TrainingRuns and their Jobs and pods."""

    def take(observe: Observe, event: kopf.RawEvent) -> None:
        _take(observe, event, enqueue)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def run_event(event: kopf.RawEvent, **_: Any) -> None:
        take(store.observe_run, event)

    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def job_event(event: kopf.RawEvent, **_: Any) -> None:
        take(store.observe_job, event)

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pod_event(event: kopf.RawEvent, **_: Any) -> None:
        take(store.observe_pod, event)


def register_workloads(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    version: str,
    workloads: Workloads,
    enqueue: Enqueue,
) -> None:
    """Watches Kueue's Workloads, too; nobody labels them as a run's, so all that stand for a Job of any kind come."""
    settings.watching.label_selectors[KUEUE_GROUP, version, Kind.WORKLOAD.value] = LABEL_JOB_UID

    @kopf.on.event(KUEUE_GROUP, version, Kind.WORKLOAD.value, registry=registry)
    async def workload_event(event: kopf.RawEvent, **_: Any) -> None:
        _take(workloads.observe, event, enqueue)


def _take(observe: Observe, event: kopf.RawEvent, enqueue: Enqueue) -> None:
    key = observe(event["object"], deleted=event["type"] == "DELETED")
    if key is not None:
        # What was there before the watch began has no type, and can wait.
        enqueue(key, urgent=event["type"] is not None)


def configure(settings: kopf.OperatorSettings) -> None:
    """Makes kopf a plain watcher."""
    # Scanning needs rights on the cluster's CRDs and namespaces, and answers 403 for a minute without them.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Backoffs()
    # For so long kopf keeps an object in memory after its event: of thousands that change at once, all of them.
    settings.queueing.idle_timeout = 0.1
    # The handlers only take notes: nothing of theirs is worth waiting for when the operator ends.
    settings.queueing.exit_timeout = 0.5
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    # Filters on the server. A selector under a one-string key would match nothing, silently.
    settings.watching.label_selectors["batch", "v1", "jobs"] = LABEL_RUN_UID
    settings.watching.label_selectors["", "v1", "pods"] = LABEL_RUN_UID


class _Backoffs:
    """Seconds between one try of a watch and the next, however long the API server is away.

    kopf's own grow to 21 s; after the last of them an answer of 500 ends the process.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0)
        while True:
            yield random.uniform(3.0, 5.0)  # noqa: S311


class _NoDiffs(kopf.DiffBaseStorage):
    """Copies nothing: of each event kopf would otherwise take two copies of the object, for handlers of changes."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:  # noqa: ARG002
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """There are no handlers of changes."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps nothing of handlers: those of events are called once, whatever comes of it."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:  # noqa: ARG002
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """There is none."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """There is none."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Nothing is to be woken up again."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
