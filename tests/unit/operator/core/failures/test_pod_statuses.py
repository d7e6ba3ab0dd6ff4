"""The words of kubelets, controllers and container runtimes, and what the table makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainingrun_operator.core.failures.diagnosis import diagnose
from trainingrun_operator.core.failures.finished_attempt import FinishedAttempt
from trainingrun_operator.core.observed import JobView, view_pod
from trainingrun_operator.core.resource.status import Stage

STATUSES = json.loads((Path(__file__).parent / "pod_statuses.json").read_text())["statuses"]
META = {"name": "p", "namespace": "demo", "uid": "p", "creationTimestamp": "2026-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    "recorded", STATUSES, ids=lambda each: f"{each['failureClass']}-{each['status'].get('reason', '')}"
)
def test_a_failed_pod_is_told_by_what_kubernetes_writes(recorded: dict[str, Any]) -> None:
    pod = view_pod({"metadata": META, "spec": {"nodeName": "node-1"}, "status": recorded["status"]})
    job = JobView(name="j", namespace="demo", uid="j", owner_uid="r", failed=True)
    diagnosis = diagnose(FinishedAttempt.of(Stage.TRAIN, job, pod))
    assert diagnosis.failure_class == recorded["failureClass"], recorded["source"]
    assert diagnosis.counted == (recorded["failureClass"] in ("StorageExceeded", "OOMKilled"))
    assert diagnosis.node == "node-1"
    assert (pod.disruption_message or pod.message) in diagnosis.message, "Kubernetes' own words help"
