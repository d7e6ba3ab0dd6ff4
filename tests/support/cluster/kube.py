"""A thin API client of the tests' own, independent of the operator's: plain paths, plain data."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import urllib3
import yaml

T = TypeVar("T")
Object = dict[str, Any]
RUNS = "/apis/training.badgerdoc.dev/v1alpha1/namespaces/{}/trainingruns"
TEST_LABEL = "trainingrun-test"


class KubeError(Exception):
    """The API server's answer was no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kube:
    """The API server that a kubeconfig names, by client certificate or token."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        document = yaml.safe_load(kubeconfig.read_text())
        context = next(c for c in document["contexts"] if c["name"] == document["current-context"])["context"]
        cluster = next(c for c in document["clusters"] if c["name"] == context["cluster"])["cluster"]
        user = next(u for u in document["users"] if u["name"] == context["user"])["user"]
        self.server: str = cluster["server"]
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        tls = ssl.create_default_context()
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        elif "certificate-authority-data" in cluster:
            tls.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        elif "certificate-authority" in cluster:
            tls.load_verify_locations(cluster["certificate-authority"])
        if "client-certificate-data" in user:
            pair = kubeconfig.with_name(f".test-client-{secrets.token_hex(4)}.pem")
            try:
                pair.touch(mode=0o600)
                data = (user["client-certificate-data"], user["client-key-data"])
                pair.write_bytes(b"\n".join(base64.b64decode(part) for part in data))
                tls.load_cert_chain(pair)
            finally:
                pair.unlink(missing_ok=True)
        elif "client-certificate" in user:
            tls.load_cert_chain(user["client-certificate"], user["client-key"])
        self._pool = urllib3.PoolManager(ssl_context=tls, retries=False, timeout=10.0)

    def address_here(self) -> str:
        """This machine's address by which the API server can reach it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            server = urllib3.util.parse_url(self.server)
            probe.connect((server.host, server.port))  # nothing is sent
            return str(probe.getsockname()[0])

    def close(self) -> None:
        self._pool.clear()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        parse: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        headers = {**self._headers, "Content-Type": content_type, **(headers or {})}
        data = None if body is None else json.dumps(body)
        try:
            answer = self._pool.request(method, self.server + path, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise KubeError(0, str(error)) from error
        if answer.status >= 300:
            try:
                message = answer.json().get("message", "")
            except ValueError:
                message = answer.data.decode(errors="replace")
            raise KubeError(answer.status, message)
        return answer.json() if parse else answer.data

    def get(self, path: str, *, parse: bool = True) -> Any:
        return self.call("GET", path, parse=parse)

    def create(self, path: str, body: Mapping[str, Any]) -> Object:
        created: Object = self.call("POST", path, body)
        return created

    def refusal(self, path: str, body: Mapping[str, Any]) -> str:
        """Why the API server does not create an object; empty where it does."""
        try:
            self.create(path, body)
        except KubeError as error:
            return str(error)
        return ""

    def delete(self, path: str) -> None:
        self.call("DELETE", path)

    def patch(self, path: str, body: Mapping[str, Any]) -> Object:
        patched: Object = self.call("PATCH", path, body, content_type="application/merge-patch+json")
        return patched

    def items(self, path: str) -> list[Object]:
        found: list[Object] = self.get(path)["items"]
        return found

    # -- the resources of these tests

    def apply_crd(self, file: Path) -> None:
        """Applies the CRD and waits until it is served as it stands in the file."""
        body = yaml.safe_load(file.read_text())
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{body['metadata']['name']}"
        self.call("PATCH", f"{path}?fieldManager=tests&force=true", body, content_type="application/apply-patch+yaml")

        def established() -> bool:
            conditions = {c["type"]: c["status"] for c in self.get(path)["status"].get("conditions") or []}
            return conditions.get("Established") == "True"

        wait_for(established, "the CRD is established")

    def create_namespace(self) -> str:
        name = f"trainingrun-test-{secrets.token_hex(4)}"
        meta = {"name": name, "labels": {TEST_LABEL: "true", "pod-security.kubernetes.io/enforce": "restricted"}}
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_for(lambda: self.exists(account), "the namespace has its service account")
        return name

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except KubeError as error:
            if error.status == 404:
                return False
            raise
        return True

    def run_path(self, namespace: str, name: str) -> str:
        return f"{RUNS.format(namespace)}/{name}"

    def create_run(self, namespace: str, body: Mapping[str, Any]) -> Object:
        return self.create(RUNS.format(namespace), body)

    def status(self, namespace: str, name: str) -> Object:
        status: Object = self.get(self.run_path(namespace, name)).get("status", {})
        return status

    def jobs(self, namespace: str) -> list[Object]:
        return self.items(f"/apis/batch/v1/namespaces/{namespace}/jobs")

    def pods(self, namespace: str) -> list[Object]:
        return self.items(f"/api/v1/namespaces/{namespace}/pods")


def wait_for(probe: Callable[[], T | None], what: str, *, timeout_s: float = 30.0) -> T:
    """The probe's first true answer. Fails with `what` when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout_s:.0f} s it did not happen that {what}")
        time.sleep(0.1)
