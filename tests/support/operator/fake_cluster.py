# ruff: noqa: ARG002  (the arguments are the port's)
"""An API server of plain data behind the controller's port, with faults on demand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from tests.support.operator.world import World, merged
from trainingrun_operator.api.cluster import Page
from trainingrun_operator.core.errors import ClusterError, ConflictError, GoneError
from trainingrun_operator.core.names import LABEL_RUN_UID, Kind
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import PROGRESS_FIELDS

Object = dict[str, Any]
T = TypeVar("T")


class OperatorKilled(Exception):  # noqa: N818  (no error of anybody's)
    """Raised by a call in which the operator's process ends."""


class FakeCluster:
    """Serves a World's objects. `calls` tells what was asked.

    `faults` maps a call's name to what it raises once instead of doing anything, `lost_answers` to what it raises once
    it has taken effect; `meanwhile` is what happens to the world before each call. Lists that may be of the API
    server's cache are of `cache`, where that is set.

    As in etcd, each object's version is that of its last change, and grows over all objects together.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[str] = []
        self.faults: dict[str, list[ClusterError | OperatorKilled]] = {}
        self.lost_answers: dict[str, list[ClusterError | OperatorKilled]] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        self.cache: tuple[int, dict[Kind, list[Object]]] | None = None
        self.tried: list[str] = []
        # So many dry runs succeed, whatever `faults` say.
        self.taken_before_faults = 0
        self.events: list[str] = []
        self.version = 10
        self._stored: dict[str, tuple[Object, int]] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.meanwhile()
        if self.faults.get(name):
            raise self.faults[name].pop(0)

    def _answered(self, name: str, answer: T) -> T:
        if self.lost_answers.get(name):
            raise self.lost_answers[name].pop(0)
        return answer

    def as_stored(self, thing: Object) -> Object:
        """The object with its version, a new one where it has changed since it was last asked for."""
        body = copy.deepcopy(thing)
        body["metadata"].pop("resourceVersion", None)
        known, version = self._stored.get(body["metadata"]["uid"], ({}, 0))
        if known != body:
            self.version += 1
            version = self.version
            self._stored[body["metadata"]["uid"]] = (copy.deepcopy(body), version)
        body["metadata"]["resourceVersion"] = str(version)
        return body

    def stored_run(self) -> Object:
        return self.as_stored(self.world.run)

    def stored(self, kind: Kind) -> list[Object]:
        """What a list or a watch with the operator's selector has."""
        if kind is Kind.RUN:
            return [self.as_stored(self.world.run)] if self.world.run else []
        if kind is Kind.WORKLOAD:
            return [self.as_stored(workload) for workload in (self.world.workloads or {}).values()]
        things = (self.world.jobs if kind is Kind.JOB else self.world.pods).values()
        return [self.as_stored(thing) for thing in things if LABEL_RUN_UID in thing["metadata"].get("labels", {})]

    def snapshot(self) -> tuple[int, dict[Kind, list[Object]]]:
        """All there is, as a cache keeps it."""
        content = {kind: self.stored(kind) for kind in Kind}
        return self.version, content

    async def token_keys(self) -> tuple[str, Object]:
        raise GoneError("no tokens are verified here")

    async def list_page(self, kind: Kind, namespace: str | None, *, cached: bool, next_page: str = "") -> Page:
        self._called(f"list_{kind.value}")
        version, content = self.cache if cached and self.cache else self.snapshot()
        return Page(items=content[kind], version=str(version), next_page="")

    async def get_job(self, namespace: str, name: str) -> Object:
        self._called("get_job")
        if name not in self.world.jobs:
            raise GoneError(f"jobs {name} not found")
        return self.as_stored(self.world.jobs[name])

    async def get_pod(self, namespace: str, name: str) -> Object:
        self._called("get_pod")
        if name not in self.world.pods:
            raise GoneError(f"pods {name} not found")
        return self.as_stored(self.world.pods[name])

    async def list_pods(self, run: Run) -> list[Object]:
        self._called("list_pods")
        return self.stored(Kind.POD)

    async def dry_run(self, manifest: Object) -> None:
        self.tried.append(manifest["metadata"]["name"])
        if len(self.tried) > self.taken_before_faults:
            self._called("dry_run")
        else:
            self.calls.append("dry_run")

    async def create_job(self, manifest: Object) -> Object:
        self._called("create_job")
        name = manifest["metadata"]["name"]
        if name not in self.world.jobs:
            uid = f"uid-of-{name}" + "-again" * self.world.created.count(name)
            self.world.jobs[name] = merged(copy.deepcopy(manifest), {"metadata": {"uid": uid}})
            self.world.created.append(name)
        return self._answered("create_job", self.as_stored(self.world.jobs[name]))

    async def create_service(self, manifest: Object) -> None:
        self._called("create_service")

    async def delete_job(self, job: JobView) -> None:
        self._called("delete_job")
        if job.name not in self.world.jobs:
            raise GoneError(f"jobs {job.name} not found")
        del self.world.jobs[job.name]

    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object:
        self._called("set_suspend")
        if name not in self.world.jobs:
            raise GoneError(f"jobs {name} not found")
        self.world.suspends(name, suspended=suspend)
        return self._answered("set_suspend", self.as_stored(self.world.jobs[name]))

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Object:
        self._called("set_active")
        self.world.activates(name, active=active)
        return self.as_stored((self.world.workloads or {})[name])

    async def end_job(self, namespace: str, name: str) -> Object:
        self._called("end_job")
        self.world.ends(name)
        return self.as_stored(self.world.jobs[name])

    async def expire_job(self, job: JobView, *, seconds: int) -> Object:
        self._called("expire_job")
        return self._patched(job, {"ttlSecondsAfterFinished": seconds})

    def _patched(self, job: JobView, spec: Object) -> Object:
        if job.name not in self.world.jobs:
            raise GoneError(f"jobs {job.name} not found")
        self.world.jobs[job.name]["spec"].update(spec)
        return self.as_stored(self.world.jobs[job.name])

    async def delete_run(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        self._called("delete_run")
        if not self.world.run:
            raise GoneError(f"trainingruns {name} not found")
        stored = self.stored_run()["metadata"]
        if (stored["uid"], stored["resourceVersion"]) != (uid, resource_version):
            raise ConflictError("the object has been modified")
        self.world.run = {}

    async def apply_status(self, run: Run, status: Object) -> Object:
        self._called("apply_status")
        assert not set(status) & set(PROGRESS_FIELDS), "those belong to the other manager"
        self._check_version(run)
        old = self.world.run.get("status", {})
        kept = {name: old[name] for name in PROGRESS_FIELDS if name in old}
        self.world.run["status"] = {**status, **kept}
        return self._answered("apply_status", self.stored_run())

    async def apply_progress(self, run: Run, status: Object) -> Object:
        self._called("apply_progress")
        assert set(status) <= set(PROGRESS_FIELDS)
        self._check_version(run)
        old = self.world.run.get("status", {})
        kept = {name: value for name, value in old.items() if name not in PROGRESS_FIELDS}
        self.world.run["status"] = {**kept, **copy.deepcopy(status)}
        return self._answered("apply_progress", self.stored_run())

    def _check_version(self, run: Run) -> None:
        stored = self.stored_run()["metadata"]
        if (stored["uid"], stored["resourceVersion"]) != (run.uid, run.resource_version):
            raise ConflictError("the object has been modified")

    async def post_event(self, run: Run, event: Event, at: datetime) -> None:
        self._called("post_event")
        self.events.append(event.reason)
