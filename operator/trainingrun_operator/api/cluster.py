"""What the operator asks of the API server, one method a request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trainingrun_operator.api.client import ApiClient, Object
from trainingrun_operator.core.errors import ConflictError
from trainingrun_operator.core.names import (
    ANNOTATION_SUSPEND,
    API_VERSION,
    FIELD_MANAGER,
    GROUP,
    KIND,
    KUEUE_GROUP,
    KUEUE_VERSIONS,
    LABEL_JOB_UID,
    LABEL_RUN_UID,
    PLURAL,
    PROGRESS_FIELD_MANAGER,
    VERSION,
    Kind,
    short_hash,
)
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.base import format_time
from trainingrun_operator.core.resource.run import Run

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
PAGE = 500
_PATHS = {
    Kind.RUN: (f"/apis/{API_VERSION}", PLURAL),
    Kind.JOB: ("/apis/batch/v1", "jobs"),
    Kind.POD: ("/api/v1", "pods"),
}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list. `version` is the whole list's; `next_page` asks for the next part, empty at the end."""

    items: list[Object]
    version: str
    next_page: str


class ClusterPort(Protocol):
    """What the controller and the gateway need of the API server. All raise ClusterError's subclasses."""

    async def get_job(self, namespace: str, name: str) -> Object: ...
    async def get_pod(self, namespace: str, name: str) -> Object: ...
    async def list_pods(self, run: Run) -> list[Object]: ...
    async def dry_run(self, manifest: Object) -> None: ...
    async def create_job(self, manifest: Object) -> Object: ...
    async def create_service(self, manifest: Object) -> None: ...
    async def delete_job(self, job: JobView) -> None: ...
    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object: ...
    async def set_active(self, namespace: str, name: str, *, active: bool) -> Object: ...
    async def end_job(self, namespace: str, name: str) -> Object: ...
    async def apply_status(self, run: Run, status: Object) -> Object: ...
    async def apply_progress(self, run: Run, status: Object) -> Object: ...
    async def post_event(self, run: Run, event: Event, at: datetime) -> None: ...


class Cluster:
    """The API server, through the pod's service account or the kubeconfig."""

    def __init__(self, *, reporter: str, workers: int, may_write: Callable[[], bool]) -> None:
        """Loads the credentials. An event loop must run.

        Args:
            reporter: who posts Events, the operator's pod name.
            workers: calls at the same time, and connections.
            may_write: asked right before each request that changes something.

        Raises:
            kubernetes.config.ConfigException: there are none.
        """
        self._reporter = reporter
        self._api = ApiClient(connections=workers, may_write=may_write)
        self._call = self._api.call
        self._workloads_version = KUEUE_VERSIONS[0]

    async def close(self) -> None:
        """Closes the connections."""
        await self._api.close()

    async def serves_the_resource(self) -> bool:
        """Whether the CRD is installed; read from discovery, which needs no rights."""
        if VERSION not in await self._served_versions(GROUP):
            return False
        found = await self._call("GET", f"/apis/{API_VERSION}")
        return any(resource["name"] == PLURAL for resource in found["resources"])

    async def find_workloads(self) -> str | None:
        """The version that Kueue's Workloads are read and written in from now on; None where none is served."""
        served = await self._served_versions(KUEUE_GROUP)
        found = next((version for version in KUEUE_VERSIONS if version in served), None)
        if found is not None:
            self._workloads_version = found
        return found

    async def _served_versions(self, group: str) -> set[str]:
        groups = {each["name"]: each for each in (await self._call("GET", "/apis"))["groups"]}
        return {each["version"] for each in groups.get(group, {}).get("versions", ())}

    async def token_keys(self) -> tuple[str, Object]:
        """The issuer of service-account tokens and the keys that sign them (a JWKS)."""
        discovery = await self._call("GET", "/.well-known/openid-configuration")
        return discovery["issuer"], await self._call("GET", "/openid/v1/jwks")

    async def list_page(self, kind: Kind, namespace: str | None, *, cached: bool, next_page: str = "") -> Page:
        """A part of the list of what the operator looks after.

        Args:
            namespace: None: all.
            cached: whether the API server may answer from its cache, which costs it little and may lag.
            next_page: as the part before has it.
        """
        query = [("limit", str(PAGE))]
        if kind is not Kind.RUN:
            query.append(("labelSelector", LABEL_JOB_UID if kind is Kind.WORKLOAD else LABEL_RUN_UID))
        if next_page:
            query.append(("continue", next_page))
        elif cached:
            query.append(("resourceVersion", "0"))
        path = self._workloads(namespace) if kind is Kind.WORKLOAD else _path(kind, namespace)
        found = await self._call("GET", path, query=query)
        meta = found["metadata"]
        return Page(items=found["items"], version=meta["resourceVersion"], next_page=meta.get("continue") or "")

    async def get_job(self, namespace: str, name: str) -> Object:
        return await self._call("GET", _path(Kind.JOB, namespace, name), named=name)

    async def get_pod(self, namespace: str, name: str) -> Object:
        return await self._call("GET", _path(Kind.POD, namespace, name), named=name)

    async def list_pods(self, run: Run) -> list[Object]:
        """The pods with the run's label; the caller compares owners."""
        query = [("labelSelector", f"{LABEL_RUN_UID}={run.uid}")]
        found = await self._call("GET", _path(Kind.POD, run.namespace), query=query)
        items: list[Object] = found["items"]
        return items

    async def dry_run(self, manifest: Object) -> None:
        """Asks whether a Job or a Service would be created; nothing is. A name that is taken is no objection."""
        query = [("fieldManager", FIELD_MANAGER), ("dryRun", "All")]
        with contextlib.suppress(ConflictError):
            await self._call("POST", _path_to_create(manifest), query=query, body=manifest)

    async def create_job(self, manifest: Object) -> Object:
        """Creates a Job, or returns the one of that name that is there already, whoever owns it.

        It creates instead of applying: an apply would change a Job that is there, and a create leaves it alone.
        """
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        query = [("fieldManager", FIELD_MANAGER)]
        try:
            return await self._call("POST", _path_to_create(manifest), query=query, body=manifest)
        except ConflictError:
            return await self.get_job(namespace, name)

    async def create_service(self, manifest: Object) -> None:
        """Creates a Service, whose name is the run's own, if it is not there."""
        query = [("fieldManager", FIELD_MANAGER)]
        with contextlib.suppress(ConflictError):
            await self._call("POST", _path_to_create(manifest), query=query, body=manifest)

    async def delete_job(self, job: JobView) -> None:
        """Deletes the Job that was observed, and its pods after it. Raises GoneError if it is gone already."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": job.uid}}
        await self._call("DELETE", _path(Kind.JOB, job.namespace, job.name), body=body, named=job.name)

    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object:
        """Writes `spec.suspend`, and beside it that this is what the operator wants: others may write it, too."""
        path = _path(Kind.JOB, namespace, name)
        query = [("fieldManager", FIELD_MANAGER)]
        wanted = {ANNOTATION_SUSPEND: "true" if suspend else "false"}
        body = {"metadata": {"annotations": wanted}, "spec": {"suspend": suspend}}
        return await self._call("PATCH", path, query=query, body=body, content_type=_MERGE, named=name)

    async def set_active(self, namespace: str, name: str, *, active: bool) -> Object:
        """Writes a Workload's `spec.active`, and beside it that this is what the operator wants."""
        body = {
            "metadata": {"annotations": {ANNOTATION_SUSPEND: "false" if active else "true"}},
            "spec": {"active": active},
        }
        path, query = self._workloads(namespace, name), [("fieldManager", FIELD_MANAGER)]
        return await self._call("PATCH", path, query=query, body=body, content_type=_MERGE, named=name)

    async def end_job(self, namespace: str, name: str) -> Object:
        """Has the Job controller stop a Job's pods, and fail it: its own deadline passes at once, whenever it runs."""
        path = _path(Kind.JOB, namespace, name)
        query = [("fieldManager", FIELD_MANAGER)]
        body = {"spec": {"activeDeadlineSeconds": 0}}
        return await self._call("PATCH", path, query=query, body=body, content_type=_MERGE, named=name)

    async def expire_job(self, job: JobView, *, seconds: int) -> Object:
        """Lets Kubernetes delete a Job, and its pods with it, so many seconds after its end."""
        return await self._patch_job(job, {"ttlSecondsAfterFinished": seconds})

    async def delete_run(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Deletes a run, and its Jobs after it, if it is the one that was observed, as it was.

        Raises:
            ConflictError: it has changed since.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {"propagationPolicy": "Background", "preconditions": preconditions}
        await self._call("DELETE", _path(Kind.RUN, namespace, name), body=body, named=name)

    async def _patch_job(self, job: JobView, spec: Object) -> Object:
        path, query = _path(Kind.JOB, job.namespace, job.name), [("fieldManager", FIELD_MANAGER)]
        # The UID: a Job of the same name that was created meanwhile is another one.
        body = {"metadata": {"uid": job.uid}, "spec": spec}
        return await self._call("PATCH", path, query=query, body=body, content_type=_MERGE, named=job.name)

    async def apply_status(self, run: Run, status: Object) -> Object:
        """Applies the operator's part of the status; a field that is not sent is removed.

        Raises:
            ConflictError: the run is not as it was observed; what was decided may not hold any more.
        """
        return await self._apply(run, status, FIELD_MANAGER)

    async def apply_progress(self, run: Run, status: Object) -> Object:
        """Applies the progress manager's part of the status.

        Raises:
            ConflictError: the run is not as it was observed; somebody else may have written newer progress.
        """
        return await self._apply(run, status, PROGRESS_FIELD_MANAGER)

    async def post_event(self, run: Run, event: Event, at: datetime) -> None:
        """Posts an Event once: its name follows from the run and the event's key."""
        name = f"{run.name[:40]}.{short_hash(run.uid, event.key, length=16)}"
        time = format_time(at)
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": run.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": run.name,
                "namespace": run.namespace,
                "uid": run.uid,
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": str(event.reason),
            "message": event.message[:1000],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._reporter,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        with contextlib.suppress(ConflictError):
            await self._call("POST", f"/api/v1/namespaces/{run.namespace}/events", body=body)

    def _workloads(self, namespace: str | None, name: str = "") -> str:
        return _join(f"/apis/{KUEUE_GROUP}/{self._workloads_version}", namespace, Kind.WORKLOAD.value, name)

    async def _apply(self, run: Run, status: Object, manager: str) -> Object:
        path = f"{_path(Kind.RUN, run.namespace, run.name)}/status"
        # The UID: a run of the same name that was created meanwhile is another one.
        meta = {"name": run.name, "namespace": run.namespace, "uid": run.uid}
        meta["resourceVersion"] = run.resource_version
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "status": status}
        query = [("fieldManager", manager), ("force", "true")]
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY, named=run.name)


def _path(kind: Kind, namespace: str | None, name: str = "") -> str:
    """Of an object, or of all in a namespace; of all in the cluster if that is None."""
    prefix, plural = _PATHS[kind]
    return _join(prefix, namespace, plural, name)


def _join(prefix: str, namespace: str | None, plural: str, name: str) -> str:
    return "/".join(part for part in (prefix, namespace and f"namespaces/{namespace}", plural, name) if part)


def _path_to_create(manifest: Object) -> str:
    namespace = manifest["metadata"]["namespace"]
    if manifest["kind"] == "Service":
        return f"/api/v1/namespaces/{namespace}/services"
    return _path(Kind.JOB, namespace)
