"""An API server of a benchmark's own: etcd and kube-apiserver on free ports, with an audit log that counts requests.

Nothing acts on what it stores: no controllers, no scheduler, no kubelet. So what a client under test does, and what
that costs, is not mixed with what others do.
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from hack.bench.preprocess import ROOT
from hack.ports import free_ports

ADMIN, CLIENT = "admin", "client-under-test"
START_S = 90.0
ACCOUNTS_KEY = "accounts.key"
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [CLIENT]}, {"level": "None"}],
}


@dataclass(frozen=True)
class ApiServer:
    """One that runs. `folder` holds a kubeconfig each for the administrator and the client under test."""

    folder: Path
    url: str

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """As the administrator. Raises RuntimeError with the server's answer where that is no success."""
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        answer = _POOL.request(method, self.url + path, body=data, headers=headers)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:500]!r}")
        return answer.json()

    def requests(self, since: int = 0) -> tuple[Counter[str], int]:
        """The client's requests as `verb resource` that ended or began to watch since a position in the log, and the
        position now. Those of its Lease are left out: they come by the clock, whatever there is to do.
        """
        with self.audit_log.open("rb") as log:
            log.seek(since)
            text = log.read()
        text = text[: text.rfind(b"\n") + 1]
        entries = (json.loads(line) for line in text.splitlines() if b'"resource":"leases"' not in line)
        counted = (
            f"{entry['verb']} {_resource(entry)}"
            for entry in entries
            if entry["stage"] == "ResponseComplete" or entry["verb"] == "watch"
        )
        return Counter(counted), since + len(text)


# The administrator's own connections may trust anyone: the server is a child of this process.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
_POOL = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False, timeout=30.0, maxsize=16)


def _resource(entry: dict[str, Any]) -> str:
    reference = entry.get("objectRef") or {}
    names = [reference.get("resource", ""), reference.get("subresource", "")]
    return "/".join(name for name in names if name) or entry["requestURI"].partition("?")[0]


def _write_settings(folder: Path, url: str) -> None:
    # kube-apiserver makes a certificate for 127.0.0.1 with the authority that signed it, in one file.
    authority = str(folder / "certificates" / "apiserver.crt")
    (folder / "audit-policy.yaml").write_text(yaml.safe_dump(_POLICY))
    (folder / "tokens.csv").write_text("".join(f'{user},{user},{user},"system:masters"\n' for user in (ADMIN, CLIENT)))
    for user in (ADMIN, CLIENT):
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {"server": url, "certificate-authority": authority}}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": user}}],
        }
        (folder / f"{user}.kubeconfig").write_text(yaml.safe_dump(document))
    subprocess.run(["openssl", "genrsa", "-out", folder / ACCOUNTS_KEY, "2048"], check=True, capture_output=True)


@contextlib.contextmanager
def running_api_server() -> Iterator[ApiServer]:
    """Starts one from the local cluster's binaries, with the CRD of this checkout, and ends it with all that it stored.

    Raises:
        RuntimeError: it does not get ready.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-api-server-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_POOL.clear)
        server, commands = prepare(folder)
        # A pod can be made before anything has made its namespace's service account.
        commands["kube-apiserver"].append("--disable-admission-plugins=ServiceAccount")
        for name, command in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_until_ready(server)
        apply_crd(server)
        yield server


def prepare(folder: Path) -> tuple[ApiServer, dict[str, list[str]]]:
    """An API server that does not run yet, and the commands that run etcd and it, by the names of their logs."""
    client, peer, port = free_ports(3)
    server = ApiServer(folder, f"https://127.0.0.1:{port}")
    _write_settings(folder, server.url)
    etcd = [
        *("etcd", "--data-dir", str(folder / "etcd"), "--log-level", "error", "--unsafe-no-fsync"),
        *(f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--listen-client-urls=http://127.0.0.1:{client}"),
        *(f"--advertise-client-urls=http://127.0.0.1:{client}", "--quota-backend-bytes=4294967296"),
        *("--name=bench", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        f"--initial-cluster=bench=http://127.0.0.1:{peer}",
    ]
    apiserver = [
        str(binaries() / "kube-apiserver"),
        *(f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}", "--bind-address=127.0.0.1"),
        *(f"--cert-dir={folder / 'certificates'}", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--authorization-mode=RBAC", "--profiling=false", "--service-cluster-ip-range=10.99.0.0/24"),
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / ACCOUNTS_KEY}",
        f"--service-account-signing-key-file={folder / ACCOUNTS_KEY}",
        *(f"--audit-policy-file={folder / 'audit-policy.yaml'}", f"--audit-log-path={server.audit_log}"),
    ]
    return server, {"etcd": etcd, "kube-apiserver": apiserver}


def binaries() -> Path:
    """The folder of the local cluster's Kubernetes binaries; builds them where they are not there yet."""
    script = ROOT / "hack" / "cluster" / "build-binaries.sh"
    return Path(subprocess.run([script], capture_output=True, text=True, check=True).stdout.strip())


def wait_until_ready(server: ApiServer) -> None:
    """Raises RuntimeError with the end of its log where it does not get ready."""
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            ready = _POOL.request("GET", f"{server.url}/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
            if ready.status == 200:
                return
        if time.monotonic() > deadline:
            log = (server.folder / "kube-apiserver.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the API server is not ready after {START_S:.0f} s:\n{log}")
        time.sleep(0.2)


def apply_crd(server: ApiServer) -> None:
    """Applies the CRD of this checkout and waits until it is served."""
    crd = yaml.safe_load((ROOT / "crds" / "trainingruns.yaml").read_text())
    server.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(RuntimeError):
            server.call("GET", "/apis/training.badgerdoc.dev/v1alpha1/namespaces/default/trainingruns")
            return
        if time.monotonic() > deadline:
            raise RuntimeError("the API server does not serve the CRD")
        time.sleep(0.2)
