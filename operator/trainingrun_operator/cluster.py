"""The only importer of the kubernetes client: plain data in, plain data out, errors as `errors.py` has them.

The client loads the credentials and sets up TLS, and its connection pool is used as it is, in threads: a call of the
client's own costs three times the CPU. The generated models are left out, too: they refuse what a newer API server may
add, and the rest of the operator works on plain data. Nothing is repeated here: the work queue backs off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3
from kubernetes import client, config

from trainingrun_operator import metrics
from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    RefusedError,
    TransientError,
)
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
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.base import format_time
from trainingrun_operator.core.resource.run import Run

Object = dict[str, Any]
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_TIMEOUT = urllib3.Timeout(connect=10.0, read=30.0)
_ERRORS: dict[int, type[ClusterError]] = {
    401: TransientError,
    # Of an object that exists, an API server that starts, lags or is asked through a proxy may say so.
    404: TransientError,
    409: ConflictError,
    # What a list is to be continued with has expired.
    410: TransientError,
    429: TransientError,
}
PAGE = 500
# An API server asks for seconds; whoever asks for more is not believed.
_MAX_RETRY_AFTER_S = 30.0
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
    async def create_job(self, manifest: Object) -> Object: ...
    async def create_service(self, manifest: Object) -> None: ...
    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object: ...
    async def set_active(self, namespace: str, name: str, *, active: bool) -> Object: ...
    async def apply_status(self, run: Run, status: Object) -> Object: ...
    async def apply_progress(self, run: Run, status: Object) -> Object: ...
    async def post_event(self, run: Run, event: Event, at: datetime) -> None: ...


class Cluster:
    """The API server, through the pod's service account or the kubeconfig."""

    def __init__(self, *, reporter: str, workers: int) -> None:
        """Loads the credentials.

        Args:
            reporter: who posts Events, the operator's pod name.
            workers: calls at the same time, and connections.

        Raises:
            kubernetes.config.ConfigException: there are none.
        """
        self._reporter = reporter
        self._configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=self._configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=self._configuration)  # type: ignore[no-untyped-call]
        self._configuration.connection_pool_maxsize = workers
        self._api = client.ApiClient(self._configuration)
        self._pool: urllib3.PoolManager = self._api.rest_client.pool_manager
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="api")
        self._not_before_s = 0.0
        self._workloads_version = KUEUE_VERSIONS[0]

    def close(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._api.close()  # type: ignore[no-untyped-call]

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

    async def create_job(self, manifest: Object) -> Object:
        """Creates a Job, or returns the one of that name that is there already, whoever owns it.

        It creates instead of applying: an apply would change a Job that is there, and a create leaves it alone.
        """
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            path = _path(Kind.JOB, namespace)
            return await self._call("POST", path, query=[("fieldManager", FIELD_MANAGER)], body=manifest)
        except ConflictError:
            return await self.get_job(namespace, name)

    async def create_service(self, manifest: Object) -> None:
        """Creates a Service, whose name is the run's own, if it is not there."""
        path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/services"
        with contextlib.suppress(ConflictError):
            await self._call("POST", path, query=[("fieldManager", FIELD_MANAGER)], body=manifest)

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

    async def apply_status(self, run: Run, status: Object) -> Object:
        """Applies the operator's part of the status; a field that is not sent is removed.

        Raises:
            ConflictError: the run is not as it was observed; what was decided may not hold any more.
        """
        return await self._apply(run, status, FIELD_MANAGER, resourceVersion=run.resource_version)

    async def apply_progress(self, run: Run, status: Object) -> Object:
        """Applies the progress manager's part of the status, whatever the operator's own has become meanwhile."""
        try:
            return await self._apply(run, status, PROGRESS_FIELD_MANAGER)
        except ConflictError as error:
            raise GoneError(str(error)) from error

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

    async def _apply(self, run: Run, status: Object, manager: str, **metadata: str) -> Object:
        path = f"{_path(Kind.RUN, run.namespace, run.name)}/status"
        # The UID: a run of the same name that was created meanwhile is another one.
        meta = {"name": run.name, "namespace": run.namespace, "uid": run.uid, **metadata}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "status": status}
        query = [("fieldManager", manager), ("force", "true")]
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY, named=run.name)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        named: str | None = None,
    ) -> Object:
        """One request.

        Args:
            named: the object that is asked for, where it is one.

        Raises:
            ClusterError: as `error_of` tells; GoneError only where the API server says that `named` is not there.
        """
        wait_s = self._not_before_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        call = partial(
            self._call_blocking, method, path, query=query or [], body=body, content_type=content_type, named=named
        )
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _call_blocking(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]],
        body: Mapping[str, Any] | None,
        content_type: str,
        named: str | None,
    ) -> Object:
        # The keys are served as application/jwk-set+json alone.
        headers = {"Accept": "application/json, application/jwk-set+json", "User-Agent": FIELD_MANAGER}
        # Asked for anew each time: a projected token is renewed.
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body, separators=(",", ":")).encode()
        url = f"{self._configuration.host}{path}{'?' if query else ''}{urlencode(query)}"
        try:
            answer = self._pool.request(method, url, body=data, headers=headers, retries=False, timeout=_TIMEOUT)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            metrics.API_REQUESTS.labels(method, "none").inc()
            raise TransientError(f"{method} {path}: {error}") from error
        metrics.API_REQUESTS.labels(method, answer.status).inc()
        if answer.status >= 300:
            self._heed(answer.headers.get("Retry-After", ""))
            raise error_of(answer.status, answer.data, f"{method} {path}", named=named)
        found: Object = json.loads(answer.data)
        return found

    def _heed(self, retry_after: str) -> None:
        """An API server that is asked too much is asked nothing for a while, about whatever."""
        if retry_after.isdecimal():
            self._not_before_s = time.monotonic() + min(float(retry_after), _MAX_RETRY_AFTER_S)


def _path(kind: Kind, namespace: str | None, name: str = "") -> str:
    """Of an object, or of all in a namespace; of all in the cluster if that is None."""
    prefix, plural = _PATHS[kind]
    return _join(prefix, namespace, plural, name)


def _join(prefix: str, namespace: str | None, plural: str, name: str) -> str:
    return "/".join(part for part in (prefix, namespace and f"namespaces/{namespace}", plural, name) if part)


def error_of(status: int, raw: bytes, request: str, *, named: str | None = None) -> ClusterError:
    """What an answer of the API server means.

    A policy or a webhook may say no with any 4xx, 422 included; only validation names the field that is wrong. A 404
    may be of a version that is not served for a moment, or of a proxy: only one that names the object says that it is
    gone.

    Args:
        named: the object that was asked for, where it was one.
    """
    try:
        answer = json.loads(raw)
        message = str(answer.get("message") or "")
        details = answer.get("details") or {}
        names_a_field = any(cause.get("field") for cause in details.get("causes") or ())
        names_the_object = answer.get("reason") == "NotFound" and named is not None and details.get("name") == named
    except (ValueError, AttributeError):
        message, names_a_field, names_the_object = "", False, False
    if status == 404 and names_the_object:
        kind: type[ClusterError] = GoneError
    elif status == 422 and names_a_field:
        kind = InvalidError
    else:
        kind = _ERRORS.get(status, TransientError if status >= 500 else RefusedError)
    return kind(message or f"{request}: HTTP status {status}")
