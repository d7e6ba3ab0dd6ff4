"""Runs in Kueue's queues: the operator, the real API server and Job controller, and a small controller as Kueue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.kueue import PRIORITY, QUEUE, Kueue, alone_with_workloads, serving_workloads
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess
from tests.support.operator.workloads import NO_QUOTA, PREEMPTED
from tests.support.paths import REPOSITORY
from trainingrun_operator.core.names import ANNOTATION_SUSPEND

pytestmark = pytest.mark.integration

BOTH = ("v1beta2", "v1beta1")
GPUS = {QUEUE: "gpus"}


def an_operator(kube: Kube, namespace: str, tls: Path, log: Path) -> OperatorProcess:
    return OperatorProcess(kube.kubeconfig, namespace, tls, log=log, KUEUE_ENABLED="true")


@pytest.fixture
def follower(
    kube: Kube, namespace: str, gateway_tls: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OperatorProcess]:
    """An operator that follows Workloads, which are served in all versions, or in those of the parameter."""
    with serving_workloads(kube, *getattr(request, "param", BOTH)):
        process = an_operator(kube, namespace, gateway_tls, tmp_path / "operator.log")
        try:
            process.start()
            yield process
        finally:
            process.kill()


def message(life: Life) -> str:
    text: str = life.condition("Succeeded").get("message", "")
    return text


def others_writes(job: Object, kueue: Kueue) -> int:
    """How often somebody else than Kueue has written the Job's spec."""
    generation: int = job["metadata"]["generation"]
    return generation - 1 - kueue.job_writes.get(job["metadata"]["name"], 0)


@pytest.mark.parametrize("follower", [BOTH, ("v1beta1",)], indirect=True, ids=["both versions", "v1beta1"])
def test_with_quota_for_one_job_the_others_wait_in_order_and_say_for_what(
    kube: Kube, namespace: str, follower: OperatorProcess, request: pytest.FixtureRequest
) -> None:
    version: str = request.node.callspec.params["follower"][0]
    with Kueue(kube, namespace, quota=1, version=version) as kueue:
        first = Life(kube, namespace, "first", labels=GPUS)
        kueue.admits("first", "preprocess")
        second = Life(kube, namespace, "second", labels=GPUS)
        status = second.reaches("Queued", reason="WaitingForQuota")
        assert status["queue"] == "gpus"
        wait_for(lambda: NO_QUOTA in message(second), "the message is Kueue's")
        assert second.pods("preprocess") == []
        first.passes("preprocess")
        kueue.admits("second", "preprocess")
        first.reaches("Queued", reason="WaitingForQuota")
        second.passes("preprocess")
        kueue.admits("first", "train")
        first.passes("train")
        kueue.admits("second", "train")
        second.passes("train")
        for life in (first, second):
            status = life.reaches("Succeeded")
            assert status["attempts"]["disrupted"] == 0, "to wait is no disruption"
            for job in life.jobs():
                assert others_writes(job, kueue) == 0
        order = [name.rsplit("-", 2)[0] for name in kueue.admissions]
        assert order == ["first-preprocess", "second-preprocess", "first-train", "second-train"]


def test_a_preempted_training_waits_with_its_figures_and_goes_on_when_there_is_quota(
    kube: Kube, namespace: str, follower: OperatorProcess
) -> None:
    with Kueue(kube, namespace, quota=1) as kueue:
        low = Life(kube, namespace, "low", labels={**GPUS, PRIORITY: "low"})
        kueue.admits("low", "preprocess")
        low.passes("preprocess")
        kueue.admits("low", "train")
        low.runs("train")
        low.reaches("Training")
        reports(kube, namespace, "low", percent=15, percentage="15%", epoch=3, epochs="3/20")
        high = Life(kube, namespace, "high", labels={**GPUS, PRIORITY: "high"})
        status = low.reaches("Queued", reason="WaitingForQuota")
        assert (status["progress"]["percentage"], status["progress"]["epochs"]) == ("15%", "3/20")
        wait_for(lambda: "Preempted" in low.events(), "an Event tells of it")
        kueue.admits("high", "preprocess")
        high.passes("preprocess")
        kueue.admits("high", "train")
        high.passes("train")
        high.reaches("Succeeded")
        kueue.waits_until_at_work(low.jobs("train")[0])
        low.runs("train")
        status = low.reaches("Training")
        assert (status["progress"]["percentage"], status["progress"]["epochs"]) == ("15%", "3/20")
        assert status["attempts"] == {"total": 2, "counted": 0, "disrupted": 1, "preprocess": 1, "train": 1}
        assert others_writes(low.jobs("train")[0], kueue) == 0


def test_a_preempted_run_says_by_what(kube: Kube, namespace: str, follower: OperatorProcess) -> None:
    with Kueue(kube, namespace, quota=1) as kueue:
        low = Life(kube, namespace, "low", labels={**GPUS, PRIORITY: "low"})
        kueue.admits("low", "preprocess")
        low.runs("preprocess")
        low.reaches("Preprocessing")
        Life(kube, namespace, "high", labels={**GPUS, PRIORITY: "high"})
        low.reaches("Queued", reason="WaitingForQuota")
        # A waiting run's words change once a minute at most.
        wait_for(lambda: PREEMPTED[:60] in message(low), "the message is Kueue's", timeout_s=90)


def test_suspending_a_run_gives_its_quota_to_others_and_resuming_queues_it_again(
    kube: Kube, namespace: str, follower: OperatorProcess
) -> None:
    with Kueue(kube, namespace, quota=1) as kueue:
        first = Life(kube, namespace, "first", labels=GPUS)
        kueue.admits("first", "preprocess")
        first.runs("preprocess")
        first.reaches("Preprocessing")
        second = Life(kube, namespace, "second", labels=GPUS)
        second.reaches("Queued", reason="WaitingForQuota")
        kube.patch(first.path, {"spec": {"suspend": True}})
        first.reaches("Suspended", reason="Suspended")
        wait_for(lambda: not first.pods("preprocess"), "its pod is gone")
        job = first.jobs("preprocess")[0]
        assert kueue.has_workload(job)["spec"]["active"] is False
        kueue.admits("second", "preprocess")
        second.runs("preprocess")
        kube.patch(first.path, {"spec": {"suspend": False}})
        status = first.reaches("Queued", reason="WaitingForQuota")
        assert status["attempts"]["disrupted"] == 0
        second.passes("preprocess")
        kueue.quota = 2
        kueue.admits("first", "preprocess", times=2)
        first.passes("preprocess")
        job = first.jobs("preprocess")[0]
        assert others_writes(job, kueue) == 0
        assert ANNOTATION_SUSPEND not in job["metadata"]["annotations"], "the Job was never the operator's to suspend"


def test_a_run_that_is_suspended_before_its_admission_is_not_stuck_even_if_its_workload_is_deleted(
    kube: Kube, namespace: str, follower: OperatorProcess
) -> None:
    with Kueue(kube, namespace, quota=0) as kueue:
        life = Life(kube, namespace, labels=GPUS)
        life.reaches("Queued", reason="WaitingForQuota")
        kube.patch(life.path, {"spec": {"suspend": True}})
        life.reaches("Suspended", reason="Suspended")
        job = life.jobs("preprocess")[0]
        old = kueue.has_workload(job)["metadata"]["uid"]
        kueue.delete_workload(job)

        def told_again() -> bool:
            found = kueue.workload(job)
            return found is not None and found["metadata"]["uid"] != old and found["spec"]["active"] is False

        wait_for(told_again, "the Workload that was made anew is not active either")
        kueue.quota = 1
        follower.kill()
        follower.start()
        life.reaches("Suspended", reason="Suspended")
        kube.patch(life.path, {"spec": {"suspend": False}})
        kueue.admits("tables", "preprocess")
        life.passes("preprocess")
        life.has_pod("train")


def test_a_workload_that_an_admin_deactivates_stays_so_and_is_the_admins_to_activate(
    kube: Kube, namespace: str, follower: OperatorProcess
) -> None:
    with Kueue(kube, namespace, quota=1) as kueue:
        life = Life(kube, namespace, labels=GPUS)
        kueue.admits("tables", "preprocess")
        life.runs("preprocess")
        life.reaches("Preprocessing")
        job = life.jobs("preprocess")[0]
        kueue.set_active(job, False)
        life.reaches("Suspended", reason="SuspendedByOthers")
        assert "deactivated, not by this run" in message(life)
        kueue.set_active(job, True)
        kueue.admits("tables", "preprocess", times=2)
        life.passes("preprocess")
        life.has_pod("train")


def test_a_kueue_that_manages_jobs_without_a_queue_and_the_operator_do_not_undo_each_other(
    kube: Kube, namespace: str, follower: OperatorProcess
) -> None:
    with Kueue(kube, namespace, quota=1, all_jobs=True) as kueue:
        life = Life(kube, namespace)
        life.reaches("Queued", reason="WaitingForQuota")
        wait_for(lambda: "LocalQueue  doesn't exist" in message(life), "the message is Kueue's")
        for suspend in (True, False, True, False):
            kube.patch(life.path, {"spec": {"suspend": suspend}})
            kueue.waits_until(life.jobs()[0], active=not suspend)
        job = life.jobs()[0]
        assert others_writes(job, kueue) == 0
        assert kueue.job_writes[job["metadata"]["name"]] == 1


def test_a_job_that_somebody_suspends_and_resumes_100_times_is_not_written_once(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.reaches("Pending")
    job = life.jobs()[0]
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}"
    for number in range(100):
        kube.patch(f"{path}?fieldManager=kueue", {"spec": {"suspend": number % 2 == 0}})
    kube.patch(f"{path}?fieldManager=kueue", {"spec": {"suspend": True}})
    life.reaches("Queued", reason="WaitingForQuota")
    assert message(life) == "preprocess waits for Kueue to admit it"
    assert kube.get(path)["metadata"]["generation"] == 102


def test_where_kueue_is_not_there_the_operator_says_so_once_and_goes_on(
    kube: Kube, namespace: str, gateway_tls: Path, tmp_path: Path
) -> None:
    operator = an_operator(kube, namespace, gateway_tls, tmp_path / "operator.log")
    try:
        with alone_with_workloads():
            operator.start()
        life = Life(kube, namespace, labels=GPUS)
        life.passes("preprocess")
        life.has_pod("train")
        assert operator.log.count("serves no Workloads of Kueue") == 1
    finally:
        operator.kill()


def test_the_jobs_of_a_run_that_another_controller_manages_are_left_to_it(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, managedBy="kueue.x-k8s.io/multikueue")

    def job(stage: str) -> Object:
        return wait_for(lambda: (life.jobs(stage) or [None])[0], f"there is a {stage} Job")

    def says(stage: str, status: Object) -> None:
        """As MultiKueue copies the status of the other cluster's Job."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job(stage)['metadata']['name']}/status"
        kube.patch(path, {"status": status})

    at_work: Object = {"active": 1, "ready": 1, "startTime": "2026-01-01T00:00:00Z"}
    time = {"lastTransitionTime": "2026-01-01T01:00:00Z", "lastProbeTime": "2026-01-01T01:00:00Z"}
    done = [{"type": kind, "status": "True", "reason": "R", **time} for kind in ("SuccessCriteriaMet", "Complete")]
    completed: Object = {"conditions": done, "succeeded": 1, "active": 0, "ready": 0}
    completed["completionTime"] = "2026-01-01T01:00:00Z"
    assert job("preprocess")["spec"]["managedBy"] == "kueue.x-k8s.io/multikueue"
    says("preprocess", at_work)
    life.reaches("Preprocessing")
    says("preprocess", completed)
    says("train", at_work)
    life.reaches("Training")
    assert life.condition("DatasetReady")["status"] == "Unknown"
    says("train", completed)
    status = life.reaches("Succeeded", reason="CompletedElsewhere")
    assert "model" not in status
    assert (life.condition("Trained")["status"], life.condition("Complete")["status"]) == ("Unknown", "True")
    assert life.pods("train") == []


def test_the_example_is_a_run_in_a_queue_that_covers_what_it_asks_for(kube: Kube, namespace: str) -> None:
    flavor, cluster_queue, queue, run = yaml.safe_load_all((REPOSITORY / "examples" / "kueue.yaml").read_text())
    assert [each["kind"] for each in (flavor, cluster_queue, queue)] == ["ResourceFlavor", "ClusterQueue", "LocalQueue"]
    assert {each["apiVersion"] for each in (flavor, cluster_queue, queue)} == {"kueue.x-k8s.io/v1beta2"}
    assert queue["spec"]["clusterQueue"] == cluster_queue["metadata"]["name"]
    assert queue["metadata"]["name"] == run["metadata"]["labels"][QUEUE]
    assert queue["metadata"]["namespace"] == run["metadata"]["namespace"]
    group = cluster_queue["spec"]["resourceGroups"][0]
    assert [each["name"] for each in group["flavors"]] == [flavor["metadata"]["name"]]
    assert [each["name"] for each in group["flavors"][0]["resources"]] == group["coveredResources"]
    run["metadata"]["namespace"] = namespace
    stored = kube.create(f"{Path(kube.run_path(namespace, 'x')).parent}?dryRun=All", run)
    asked: set[str] = {stored["spec"]["gpu"]["resourceName"]}
    for stage in ("preprocess", "training"):
        resources: dict[str, Any] = stored["spec"][stage]["podTemplate"]["resources"]
        asked |= {*resources["requests"], *resources["limits"]}
    assert asked == set(group["coveredResources"]), "Kueue admits no Job that asks for anything else"


def reports(kube: Kube, namespace: str, name: str, **figures: Any) -> None:
    """As the gateway writes what a worker reports."""
    meta = {"name": name, "namespace": namespace}
    body = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun", "metadata": meta}
    progress = {"stage": "train", "attempt": 1, "sequence": 9, **figures}
    path = f"{kube.run_path(namespace, name)}/status?fieldManager=trainingrun-progress&force=true"
    content_type = "application/apply-patch+yaml"
    kube.call("PATCH", path, {**body, "status": {"progress": progress}}, content_type=content_type)
