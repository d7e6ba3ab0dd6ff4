"""The resources of a suspended run are changed, on a real API server with its Job controller."""

from __future__ import annotations

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration


def memory(job: Object) -> str:
    [worker] = job["spec"]["template"]["spec"]["containers"]
    found: str = worker["resources"]["limits"]["memory"]
    return found


def test_a_suspended_job_with_other_resources_is_replaced_by_one_that_counts_as_no_failure(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    limits = {"limits": {"memory": "1Gi"}}
    life = Life(kube, namespace, preprocess={"podTemplate": {"resources": limits}})
    life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.patch(life.path, {"spec": {"suspend": True}})
    life.reaches("Suspended")
    more = {"preprocess": {"podTemplate": {"resources": {"limits": {"memory": "2Gi"}}}}}
    kube.patch(life.path, {"spec": {**more, "suspend": False}})
    wait_for(lambda: [memory(job) for job in life.jobs("preprocess")] == ["2Gi"], "the Job is replaced")
    life.passes("preprocess")
    status = life.reaches("Queued")
    assert status["attempts"] == {"total": 3, "counted": 0, "disrupted": 0, "preprocess": 2, "train": 1}
    assert "lastFailure" not in status
    assert "JobReplaced" in life.events()
