"""A training over two pods, which find each other by the run's Service."""

from __future__ import annotations

import json

import pytest

from tests.support.cluster.kubernetes_cli import get, items, kubectl
from tests.support.cluster.workspace import BUCKET, Workspace
from training.storage.uri import open_storage

pytestmark = pytest.mark.e2e
EPOCHS = 2


def test_two_pods_train_one_model(workspace: Workspace) -> None:
    run = workspace.run("nodes", epochs=EPOCHS)
    run["spec"]["training"] |= {"nodes": 2, "configOptions": ["train_dataloader.batch_size=1"]}
    kubectl("apply", "-f", "-", stdin=run)
    kubectl("-n", workspace.namespace, "wait", "trainingrun/nodes", "--for=condition=Succeeded", "--timeout=10m")

    status = get(workspace.namespace, "trainingrun", "nodes")["status"]
    assert status["attempts"]["train"] == 1
    assert status["progress"]["epochs"] == f"{EPOCHS}/{EPOCHS}"
    pods = items(workspace.namespace, "pods", "training.badgerdoc.dev/run=nodes,training.badgerdoc.dev/stage=train")
    messages = {
        pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]: json.loads(
            pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
        )
        for pod in pods
    }
    assert messages["0"]["model"]["sha256"] == status["model"]["sha256"]
    assert messages["1"]["node"] == {"index": 1, "of": 2}
    [service] = items(workspace.namespace, "services", "training.badgerdoc.dev/run=nodes")
    assert service["spec"]["clusterIP"] == "None"

    storage = open_storage(f"s3://{BUCKET}/{workspace.namespace}/nodes")
    manifest = json.loads(storage.read_bytes("model.pth.manifest.json"))
    assert manifest["epochs"] == EPOCHS
    kubectl("-n", workspace.namespace, "delete", "trainingrun", "nodes")
