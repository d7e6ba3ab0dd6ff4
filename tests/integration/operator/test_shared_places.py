"""Two runs that write to one place in S3, on the real API server."""

from __future__ import annotations

import pytest

from tests.support.cluster.kube import Kube, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration


def test_the_second_run_waits_at_each_stage_and_comes_to_its_end(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    places = {"dataset": {"targetFolder": "datasets/demo"}, "training": {"modelOutput": "s3://tables/demo.pth"}}
    first = Life(kube, namespace, "first", **places)
    worker = first.runs("preprocess")
    first.reaches("Preprocessing")
    second = Life(kube, namespace, "second", **places)
    second.reaches("Pending", reason="WaitingForRun")
    said = second.condition("Succeeded")["message"]
    assert said == f"preprocess waits for run {namespace}/first, which prepares s3://tables/datasets/demo"
    first.publishes(worker, "preprocess")
    second.passes("preprocess")
    second.reaches("Queued", reason="WaitingForRun")
    first.runs("train")
    first.reaches("Training")
    operator.kill()
    operator.start()
    kube.patch(first.path, {"spec": {"suspend": True}})
    first.reaches("Suspended")

    def says_so() -> bool:
        return second.condition("Succeeded")["message"].endswith("and is suspended: resume or delete it")

    wait_for(says_so, "the second says that the first is suspended", timeout_s=100)
    assert second.jobs("train") == []
    kube.delete(first.path)
    second.passes("train")
    assert second.reaches("Succeeded")["usage"]["waitingSeconds"] > 0
