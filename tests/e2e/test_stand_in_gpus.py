"""GPUs that are asked for and have no hardware: the run ends and says so, instead of training on the CPU for days."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.cluster.kubernetes_cli import Object, condition, get, items, kubectl, wait_until
from tests.support.cluster.workspace import Workspace

pytestmark = pytest.mark.e2e
POD_ENDS_WITHIN_S = 30


def _train_pods(workspace: Workspace) -> list[Object]:
    return items(workspace.namespace, "pods", "training.badgerdoc.dev/run=unusable,training.badgerdoc.dev/stage=train")


def _status(workspace: Workspace) -> Object:
    found: Object = get(workspace.namespace, "trainingrun", "unusable").get("status", {})
    return found


def _lifetime_s(pod: Object) -> float:
    """From its creation to its container's end."""
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    return (
        datetime.fromisoformat(ended) - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    ).total_seconds()


def test_a_run_that_does_not_say_cpu_ends_as_gpu_unavailable_and_says_so(workspace: Workspace) -> None:
    run = workspace.run("unusable")
    del run["spec"]["training"]["device"]
    run["spec"]["retry"] = {"backoff": "1s"}
    kubectl("apply", "-f", "-", stdin=run)

    failure: Object = wait_until("the first pod has failed", lambda: _status(workspace).get("lastFailure"))
    assert (failure["class"], failure["exitCode"], failure["stage"]) == ("GPUUnavailable", 69, "train")
    assert "GPU" in failure["message"]

    kubectl("-n", workspace.namespace, "wait", "trainingrun/unusable", "--for=condition=Failed", "--timeout=5m")
    status, pods = _status(workspace), _train_pods(workspace)
    assert len(pods) == 3
    assert [seconds for pod in pods if (seconds := _lifetime_s(pod)) > POD_ENDS_WITHIN_S] == []
    ended = condition({"status": status}, "Failed")
    assert ended["reason"] == "GPUUnavailable"
    assert "GPU" in ended["message"]
    assert status["lastFailure"]["consecutive"] == 3
    assert (status["attempts"]["counted"], status["attempts"]["disrupted"]) == (0, 3)
    node = items("", "nodes")[0]["metadata"]["name"]
    assert status["excludedNodes"] == [node]
    assert "affinity" in pods[-1]["spec"], "it would have gone elsewhere, were there another node"
    events = [event for event in items(workspace.namespace, "events") if event["involvedObject"]["name"] == "unusable"]
    assert [event["reason"] for event in events].count("GPUUnavailable") == 3
    assert "model" not in status
    kubectl("-n", workspace.namespace, "delete", "trainingrun", "unusable")
