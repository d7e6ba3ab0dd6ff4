# ruff: noqa: ARG002  (the arguments are the port's)
"""An API server of plain data behind the controller's port, with faults on demand."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

from tests.support.operator.world import World, merged
from trainingrun_operator.cluster import Page
from trainingrun_operator.core.errors import ClusterError, ConflictError, GoneError
from trainingrun_operator.core.names import Kind
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import PROGRESS_FIELDS

Object = dict[str, Any]


class FakeCluster:
    """Serves a World's objects. `calls` tells what was asked, `faults` maps a call's name to what it raises once.

    As in etcd, each object's version is that of its last change, and grows over all objects together.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[str] = []
        self.faults: dict[str, list[ClusterError]] = {}
        self.tried: list[str] = []
        # So many dry runs succeed, whatever `faults` say.
        self.taken_before_faults = 0
        self.events: list[str] = []
        self.version = 10
        self._stored: dict[str, tuple[Object, int]] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.faults.get(name):
            raise self.faults[name].pop(0)

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
        things = {
            Kind.RUN: [self.world.run] if self.world.run else [],
            Kind.JOB: self.world.jobs.values(),
            Kind.POD: self.world.pods.values(),
            Kind.WORKLOAD: (self.world.workloads or {}).values(),
        }
        return [self.as_stored(thing) for thing in things[kind]]

    async def token_keys(self) -> tuple[str, Object]:
        raise GoneError("no tokens are verified here")

    async def list_page(self, kind: Kind, namespace: str | None, *, cached: bool, next_page: str = "") -> Page:
        self._called(f"list_{kind.value}")
        items = self.stored(kind)
        return Page(items=items, version=str(self.version), next_page="")

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
            self.world.jobs[name] = merged(copy.deepcopy(manifest), {"metadata": {"uid": f"uid-of-{name}"}})
            self.world.created.append(name)
        return self.as_stored(self.world.jobs[name])

    async def create_service(self, manifest: Object) -> None:
        self._called("create_service")

    async def delete_job(self, job: JobView) -> None:
        self._called("delete_job")
        self.world.jobs.pop(job.name, None)

    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object:
        self._called("set_suspend")
        self.world.suspends(name, suspended=suspend)
        return self.as_stored(self.world.jobs[name])

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
        stored = self.stored_run()["metadata"]
        if (stored["uid"], stored["resourceVersion"]) != (run.uid, run.resource_version):
            raise ConflictError("the object has been modified")
        old = self.world.run.get("status", {})
        kept = {name: old[name] for name in PROGRESS_FIELDS if name in old}
        self.world.run["status"] = {**status, **kept}
        return self.stored_run()

    async def apply_progress(self, run: Run, status: Object) -> Object:
        self._called("apply_progress")
        assert set(status) <= set(PROGRESS_FIELDS)
        old = self.world.run.get("status", {})
        kept = {name: value for name, value in old.items() if name not in PROGRESS_FIELDS}
        self.world.run["status"] = {**kept, **copy.deepcopy(status)}
        return self.stored_run()

    async def post_event(self, run: Run, event: Event, at: datetime) -> None:
        self._called("post_event")
        self.events.append(event.reason)
