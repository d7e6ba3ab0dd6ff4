"""The local cluster's API server, the operator as a process on this host, and an S3 server.

Tests of the cluster never touch another cluster: the kubeconfig must point at the local one, unless CLUSTER=current
says that the kubeconfig's own is meant. An absent cluster fails on CI and is skipped, loudly, elsewhere.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.s3.server import S3Server, running_s3_server
from tests.support.cluster.installed_operator import standing_aside
from tests.support.cluster.kube import Kube, KubeError
from tests.support.cluster.sessions import LOCAL_SERVER
from tests.support.operator.operator_process import OperatorProcess, make_gateway_certificate
from tests.support.paths import CRD
from tests.support.train.place import dataset, place, straight, tiny_config  # noqa: F401  fixtures


def _kubeconfig() -> Path:
    state = os.environ.get("TRAININGRUN_STATE", "/var/lib/trainingrun")
    return Path(os.environ.get("TRAININGRUN_KUBECONFIG") or f"{state}/kubeconfig")


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """The API server, with the CRD of this checkout applied and no operator but the tests' own."""
    path = _kubeconfig()
    if os.environ.get("CLUSTER") == "current" and "TRAININGRUN_KUBECONFIG" not in os.environ:
        path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    try:
        client = Kube(path)
        client.get("/readyz", parse=False)
    except (OSError, KubeError) as error:
        message = f"no cluster answers at {path} (make cluster-up): {error}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    if os.environ.get("CLUSTER") != "current" and not client.server.startswith(LOCAL_SERVER):
        pytest.fail(f"{path} points at {client.server}, which is not the local cluster; refused")
    client.apply_crd(CRD)
    with standing_aside(client):
        yield client
    client.close()


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A namespace of its own, deleted at the end."""
    name = kube.create_namespace()
    yield name
    kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def gateway_tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tls.crt, tls.key and ca.crt for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("gateway")
    make_gateway_certificate(folder)
    return folder


@pytest.fixture
def operator(kube: Kube, namespace: str, gateway_tls: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """The operator, watching the test's namespace only."""
    process = OperatorProcess(kube.kubeconfig, namespace, gateway_tls, log=tmp_path / "operator.log")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def gateway_context(gateway_tls: Path) -> ssl.SSLContext:
    """Trusts the test's gateway and nothing else."""
    return ssl.create_default_context(cafile=str(gateway_tls / "ca.crt"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server of this session's own."""
    with running_s3_server() as server:
        yield server


@pytest.fixture
def s3_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, and this process's environment set to use it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
