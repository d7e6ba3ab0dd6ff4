"""How a run ends and what it leaves, on the real API server with its Job controller and garbage collector."""

from __future__ import annotations

import time

import pytest

from tests.support.cluster.kube import Kube, KubeError, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration

FOREIGN = "example.com/audit"
DAY_S = 86400


def is_gone(kube: Kube, path: str) -> bool:
    try:
        kube.get(path)
    except KubeError as error:
        return error.status == 404
    return False


def has_no_pod_at_work(life: Life) -> bool:
    return not life.pods("train") and not life.pods("preprocess")


def delete(kube: Kube, path: str, propagation: str) -> None:
    options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
    kube.call("DELETE", path, options)


def test_a_run_is_deleted_with_its_jobs_when_its_time_is_over(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, ttlSecondsAfterFinished={"failed": 0, "succeeded": DAY_S})
    life.exits(life.runs("preprocess"), 65, "")
    wait_for(lambda: is_gone(kube, life.path), "the run is deleted")
    wait_for(lambda: not life.jobs(), "and its Jobs with it")


def test_a_time_to_live_that_passes_while_the_operator_is_down_is_kept_after(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.exits(life.runs("preprocess"), 65, "")
    life.reaches("Failed")
    operator.kill()
    kube.patch(life.path, {"spec": {"ttlSecondsAfterFinished": {"failed": 1}}})
    time.sleep(1.5)
    assert not is_gone(kube, life.path)
    operator.start()
    wait_for(lambda: is_gone(kube, life.path), "the run is deleted")


def test_the_jobs_of_a_run_that_is_over_get_a_time_to_live(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.exits(life.runs("preprocess"), 65, "")
    life.reaches("Failed")
    assert "ttlSecondsAfterFinished" not in life.jobs()[0]["spec"]
    wait_for(lambda: "ttlSecondsAfterFinished" in life.jobs()[0]["spec"], "its Job has a time to live", timeout_s=120)
    assert DAY_S + 60 <= life.jobs()[0]["spec"]["ttlSecondsAfterFinished"] < DAY_S + 180


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_run_that_a_foreign_finalizer_keeps_holds_no_gpu(
    kube: Kube, namespace: str, operator: OperatorProcess, propagation: str
) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    life.runs("train")
    life.reaches("Training")
    kube.patch(life.path, {"metadata": {"finalizers": [FOREIGN]}})
    delete(kube, life.path, propagation)
    wait_for(lambda: has_no_pod_at_work(life), "no pod is left at work")
    assert FOREIGN in kube.get(life.path)["metadata"]["finalizers"]
    kube.patch(life.path, {"metadata": {"finalizers": None}})
    wait_for(lambda: is_gone(kube, life.path) and not life.jobs(), "nothing is left")


def test_a_run_that_was_deleted_while_the_operator_was_down_holds_no_gpu_once_it_is_back(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.patch(life.path, {"metadata": {"finalizers": [FOREIGN]}})
    operator.kill()
    delete(kube, life.path, "Background")
    operator.start()
    wait_for(lambda: has_no_pod_at_work(life), "no pod is left at work")
    kube.patch(life.path, {"metadata": {"finalizers": None}})
    wait_for(lambda: is_gone(kube, life.path) and not life.jobs(), "nothing is left")


def test_whoever_deletes_a_run_may_keep_its_job(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    delete(kube, life.path, "Orphan")
    wait_for(lambda: is_gone(kube, life.path), "the run is gone")
    [job] = kube.jobs(namespace)
    assert "activeDeadlineSeconds" not in job["spec"]
    assert life.pods("preprocess")
