"""The local cluster with the operator installed by Helm from this checkout, and a namespace with documents in S3."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hack.documents.corpus import draw_corpus
from hack.s3.bucket import ensure_bucket
from tests.support.cluster.kube import Kube
from tests.support.cluster.kubernetes_cli import OPERATOR_NAMESPACE, kubectl
from tests.support.cluster.sessions import session
from tests.support.cluster.workspace import BUCKET, Workspace
from tests.support.paths import HACK
from training.storage.uri import open_storage

DOCUMENTS = 8


def _local_cluster() -> dict[str, str]:
    """The environment of the local cluster and its S3; these tests run on no other."""
    shell = (
        f'. "{HACK}/setup/env.sh"; kubeconfig=$("{HACK}/cluster/kubeconfig.sh"); '
        f'binaries=$("{HACK}/cluster/build-binaries.sh"); "{HACK}/cluster/s3.sh" env; '
        'printf "export %s\\n" "KUBECONFIG=$kubeconfig" "PATH=$binaries:\\$PATH" "TRAININGRUN_STATE=$TRAININGRUN_STATE"'
    )
    lines = subprocess.run(["bash", "-euc", shell], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"^export (\w+)=['\"]?(.*?)['\"]?$", lines, re.MULTILINE))
    found["PATH"] = found["PATH"].replace("$PATH", os.environ["PATH"])
    return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[dict[str, str]]:
    """kubectl and S3 of the local cluster in the environment, and the operator installed by Helm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER", "local")
        try:
            environment = _local_cluster()
        except subprocess.CalledProcessError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the local cluster is not up ({error.stderr.strip()}): run 'make test-e2e'")
        for name, value in environment.items():
            patch.setenv(name, value)
        with closing(Kube(Path(environment["KUBECONFIG"]))) as kube, session(kube):
            subprocess.run([HACK / "cluster" / "install-operator.sh"], check=True)
            # A fresh pod: the kubelet delays restarts longer for each kill that an earlier session left on its account.
            kubectl("-n", OPERATOR_NAMESPACE, "rollout", "restart", "deployment/trainingrun-operator")
            kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/trainingrun-operator", "--timeout=120s")
            yield environment


@pytest.fixture(scope="session")
def workspace(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A namespace of these tests' own with generated documents in S3; deleted at the end."""
    namespace = f"e2e-{secrets.token_hex(3)}"
    corpus = tmp_path_factory.mktemp("corpus") / "documents"
    draw_corpus(corpus, documents=DOCUMENTS, seed=1)
    storage = open_storage(f"s3://{BUCKET}/{namespace}")
    ensure_bucket(BUCKET)
    for path in sorted(corpus.rglob("*")):
        if path.is_file():
            storage.upload_file(path, f"documents/{path.relative_to(corpus).as_posix()}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "trainingrun-test": "e2e"}
    secret = {key: cluster[key] for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    for manifest in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3-credentials", "namespace": namespace},
            "stringData": secret,
        },
    ):
        kubectl("apply", "-f", "-", stdin=manifest)
    yield Workspace(namespace, cluster["AWS_S3_ENDPOINT"])
    kubectl("delete", "namespace", namespace, "--wait=false")
    for entry in list(storage.list_objects()):
        storage.delete(entry.key)
