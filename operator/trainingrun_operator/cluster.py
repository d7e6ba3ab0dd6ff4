"""The only importer of the kubernetes client: plain data in, plain data out, errors as `errors.py` has them.

The blocking client runs in threads. Its asyncio twin (kubernetes.aio) would need a session of its own beside kopf's and
brings nothing here: the operator makes a few calls a second at most. The generated models are left out, too: they
refuse what a newer API server may add, and the rest of the operator works on plain data.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

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
    LABEL_RUN_UID,
    PLURAL,
    PROGRESS_FIELD_MANAGER,
    VERSION,
    short_hash,
)
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.base import format_time
from trainingrun_operator.core.resource.run import Run

Object = dict[str, Any]
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_TIMEOUT_S = (10, 30)
_ERRORS: dict[int, type[ClusterError]] = {
    401: TransientError,
    404: GoneError,
    409: ConflictError,
    410: GoneError,
    429: TransientError,
}


class ClusterPort(Protocol):
    """What the controller and the gateway need of the API server. All raise ClusterError's subclasses."""

    async def get_run(self, namespace: str, name: str) -> Object: ...
    async def get_job(self, namespace: str, name: str) -> Object: ...
    async def list_pods(self, run: Run) -> list[Object]: ...
    async def create_job(self, manifest: Object) -> Object: ...
    async def create_service(self, manifest: Object) -> None: ...
    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object: ...
    async def apply_status(self, run: Run, status: Object) -> Object: ...
    async def apply_progress(self, run: Run, status: Object) -> Object: ...
    async def post_event(self, run: Run, event: Event, at: datetime) -> None: ...


class Cluster:
    """The API server, through the pod's service account or the kubeconfig."""

    def __init__(self, *, reporter: str) -> None:
        """Loads the credentials.

        Args:
            reporter: who posts Events, the operator's pod name.

        Raises:
            kubernetes.config.ConfigException: there are none.
        """
        self._reporter = reporter
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        configuration.connection_pool_maxsize = 8
        self._api = client.ApiClient(configuration)

    def close(self) -> None:
        """Closes the connections."""
        self._api.close()  # type: ignore[no-untyped-call]

    async def serves_the_resource(self) -> bool:
        """Whether the CRD is installed; read from discovery, which needs no rights."""
        try:
            found = await self._call("GET", f"/apis/{GROUP}/{VERSION}")
        except GoneError:
            return False
        return any(resource["name"] == PLURAL for resource in found["resources"])

    async def token_keys(self) -> tuple[str, Object]:
        """The issuer of service-account tokens and the keys that sign them (a JWKS)."""
        discovery = await self._call("GET", "/.well-known/openid-configuration")
        return discovery["issuer"], await self._call("GET", "/openid/v1/jwks")

    async def get_run(self, namespace: str, name: str) -> Object:
        return await self._call("GET", f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}/{name}")

    async def get_job(self, namespace: str, name: str) -> Object:
        return await self._call("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}")

    async def list_pods(self, run: Run) -> list[Object]:
        """The pods with the run's label; the caller compares owners."""
        path = f"/api/v1/namespaces/{run.namespace}/pods"
        found = await self._call("GET", path, query=[("labelSelector", f"{LABEL_RUN_UID}={run.uid}")])
        items: list[Object] = found["items"]
        return items

    async def create_job(self, manifest: Object) -> Object:
        """Creates a Job, or returns the one of that name that is there already, whoever owns it.

        It looks first, and creates instead of applying: should a Job of that name appear in between, an apply would
        change it, and a create leaves it alone.
        """
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            return await self.get_job(namespace, name)
        except GoneError:
            pass
        try:
            path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
            return await self._call("POST", path, query=[("fieldManager", FIELD_MANAGER)], body=manifest)
        except ConflictError:
            return await self.get_job(namespace, name)
        except GoneError as error:
            # The namespace itself; it is either being deleted, and the run with it, or the server lags.
            raise TransientError(str(error)) from error

    async def create_service(self, manifest: Object) -> None:
        """Creates a Service, whose name is the run's own, if it is not there."""
        path = f"/api/v1/namespaces/{manifest['metadata']['namespace']}/services"
        with contextlib.suppress(ConflictError):
            await self._call("POST", path, query=[("fieldManager", FIELD_MANAGER)], body=manifest)

    async def set_suspend(self, namespace: str, name: str, *, suspend: bool) -> Object:
        """Writes `spec.suspend`, and beside it that this is what the operator wants: others may write it, too."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        query = [("fieldManager", FIELD_MANAGER)]
        wanted = {ANNOTATION_SUSPEND: "true" if suspend else "false"}
        body = {"metadata": {"annotations": wanted}, "spec": {"suspend": suspend}}
        return await self._call("PATCH", path, query=query, body=body, content_type=_MERGE)

    async def apply_status(self, run: Run, status: Object) -> Object:
        """Applies the operator's part of the status; a field that is not sent is removed."""
        return await self._apply(run, status, FIELD_MANAGER)

    async def apply_progress(self, run: Run, status: Object) -> Object:
        """Applies the progress manager's part of the status."""
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

    async def _apply(self, run: Run, status: Object, manager: str) -> Object:
        path = f"/apis/{API_VERSION}/namespaces/{run.namespace}/{PLURAL}/{run.name}/status"
        # The UID: a run of the same name that was created meanwhile is another one.
        meta = {"name": run.name, "namespace": run.namespace, "uid": run.uid}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "status": status}
        query = [("fieldManager", manager), ("force", "true")]
        try:
            return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY)
        except ConflictError as error:
            raise GoneError(str(error)) from error

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        return await asyncio.to_thread(self._call_blocking, method, path, query or [], body, content_type)

    def _call_blocking(
        self, method: str, path: str, query: list[tuple[str, str]], body: Mapping[str, Any] | None, content_type: str
    ) -> Object:
        # The keys are served as application/jwk-set+json alone.
        headers = {"Accept": "application/json, application/jwk-set+json"}
        if body is not None:
            headers["Content-Type"] = content_type
        request = self._api.param_serialize(
            method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT_S)
            raw = response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            metrics.API_REQUESTS.labels(method, "none").inc()
            raise TransientError(f"{method} {path}: {error}") from error
        metrics.API_REQUESTS.labels(method, response.status).inc()
        if response.status >= 300:
            raise error_of(response.status, raw, f"{method} {path}")
        answer: Object = json.loads(raw)
        return answer


def error_of(status: int, raw: bytes, request: str) -> ClusterError:
    """What an answer of the API server means.

    A policy or a webhook may say no with any 4xx, 422 included; only validation names the field that is wrong.
    """
    try:
        answer = json.loads(raw)
        message = str(answer.get("message") or "")
        causes = (answer.get("details") or {}).get("causes") or ()
        names_a_field = any(cause.get("field") for cause in causes)
    except (ValueError, AttributeError):
        message, names_a_field = "", False
    if status == 422 and names_a_field:
        kind: type[ClusterError] = InvalidError
    else:
        kind = _ERRORS.get(status, TransientError if status >= 500 else RefusedError)
    return kind(message or f"{request}: HTTP status {status}")
