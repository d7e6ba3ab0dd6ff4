"""A corpus that four pods share, one of which is killed: the dataset is, byte for byte, what one process makes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD
from tests.support.cluster.kubernetes_cli import Object, get, items, kubectl, wait_until, worker_processes
from tests.support.cluster.workspace import BUCKET, Workspace
from training.storage.uri import open_storage

pytestmark = pytest.mark.e2e
SHARDS = 4
LOCKED = "document-0003"


@pytest.fixture(scope="module")
def source(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder in S3 whose documents take long enough to be interrupted; one asks for a password."""
    folder = tmp_path_factory.mktemp("shared-out")
    draw_corpus(folder, documents=12, seed=2, pages=40)
    writer = PdfWriter(clone_from=PdfReader(folder / "pdfs" / f"{LOCKED}.pdf"))
    writer.encrypt(PASSWORD)
    writer.write(folder / "pdfs" / f"{LOCKED}.pdf")
    storage = open_storage(f"s3://{BUCKET}/{workspace.namespace}/many")
    for path in folder.rglob("*.*"):
        storage.upload_file(path, path.relative_to(folder).as_posix())
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "passwords", "namespace": workspace.namespace},
        "stringData": {"passwords.yaml": f"{LOCKED}: {PASSWORD}\n"},
    }
    kubectl("apply", "-f", "-", stdin=secret)
    return "many"


def _pods(workspace: Workspace, index: int) -> list[Object]:
    return items(workspace.namespace, "pods", f"batch.kubernetes.io/job-completion-index={index}")


def test_shares_in_four_pods_give_the_bytes_of_this_machine_though_one_was_killed(
    workspace: Workspace, source: str, tmp_path: Path
) -> None:
    run = workspace.run("sharded", source=source, target=f"{workspace.namespace}/sharded")
    run["spec"]["dataset"] |= {"parallelism": SHARDS, "passwordsSecret": "passwords"}
    run["spec"]["gpu"] = {"resourceName": "example.com/none-here"}  # the dataset is enough
    kubectl("apply", "-f", "-", stdin=run)
    [process, *_] = wait_until(
        "the third share is under way", lambda: [pid for pod in _pods(workspace, 2) for pid in worker_processes(pod)]
    )
    os.kill(process, signal.SIGKILL)
    kubectl("-n", workspace.namespace, "wait", "trainingrun/sharded", "--for=condition=DatasetReady", "--timeout=10m")

    status = get(workspace.namespace, "trainingrun", "sharded")["status"]
    assert status["dataset"]["documents"] == {"total": 12, "prepared": 12, "quarantined": 0}
    assert status["dataset"]["report"].endswith("/sharded/report.html")
    assert status["attempts"]["counted"] == 0
    [job] = [
        job
        for job in items(workspace.namespace, "jobs")
        if "-preprocess-" in job["metadata"]["name"]
        and job["metadata"]["labels"]["training.badgerdoc.dev/run"] == "sharded"
    ]
    assert job["status"]["completedIndexes"] == f"0-{SHARDS - 1}"
    assert [len(_pods(workspace, index)) for index in range(SHARDS)] == [1, 1, 2, 1]

    passwords = tmp_path / "passwords.yaml"
    passwords.write_text(f"{LOCKED}: {PASSWORD}\n")
    command = [sys.executable, "-m", "training.preprocess", "--s3_bucket", BUCKET, "--passwords", str(passwords)]
    command += ["--s3_source_folder", f"{workspace.namespace}/{source}"]
    command += ["--s3_target_folder", f"{workspace.namespace}/whole"]
    subprocess.run(command, check=True)
    here, there = (
        {found.key: storage.read_bytes(found.key) for found in storage.list_objects()}
        for storage in (
            open_storage(f"s3://{BUCKET}/{workspace.namespace}/{name}/ttv") for name in ("whole", "sharded")
        )
    )
    assert here == there
    kubectl("-n", workspace.namespace, "delete", "trainingrun", "sharded")
