"""The operator as a process against the real API server and the real Job controller; only the workers are played."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life, a_run
from tests.support.operator.operator_process import OperatorProcess
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

pytestmark = pytest.mark.integration


def failed(stage: str, code: int, message: str) -> str:
    return json.dumps({"version": 1, "stage": stage, "result": "failed", "exitCode": code, "message": message})


def test_a_run_passes_both_stages_and_its_status_tells(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    life.passes("train")
    status = life.reaches("Succeeded")
    assert status["model"]["uri"] == "s3://tables/models/demo/tables.pth"
    assert status["dataset"]["documents"] == {"total": 10, "prepared": 9, "quarantined": 1}
    assert status["progress"]["percent"] == 100
    assert status["progress"]["epochs"] == "3/3"
    assert status["attempts"] == {"total": 2, "counted": 0, "disrupted": 0, "preprocess": 1, "train": 1}
    for kind in ("Succeeded", "DatasetReady", "Trained", "Complete"):
        assert life.condition(kind)["status"] == "True"
    assert life.condition("Failed")["status"] == "False"
    expected = {"Started", "JobCreated", "PreprocessStarted", "DatasetReady", "TrainingStarted", "Succeeded"}
    wait_for(lambda: expected <= life.events(), "the Events are posted")


def test_the_operator_leaves_no_finalizer_and_no_annotation(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.has_pod("preprocess")
    meta = kube.get(life.path)["metadata"]
    assert "finalizers" not in meta
    assert "annotations" not in meta
    managers = {entry["manager"]: entry.get("subresource") for entry in meta["managedFields"]}
    assert managers["trainingrun-operator"] == "status"


def test_only_the_train_job_asks_for_a_gpu(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    life.has_pod("train")
    limits = {
        job["metadata"]["labels"]["training.badgerdoc.dev/stage"]: job["spec"]["template"]["spec"]["containers"][0][
            "resources"
        ].get("limits", {})
        for job in life.jobs()
    }
    assert limits == {"preprocess": {}, "train": {"nvidia.com/gpu": "1"}}


def test_an_operator_that_is_killed_at_every_step_makes_no_second_job(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    def dies() -> None:
        operator.kill()
        operator.start()

    life = Life(kube, namespace)
    dies()
    pod = life.runs("preprocess")
    dies()
    life.reaches("Preprocessing")
    operator.kill()
    life.publishes(pod, "preprocess")
    wait_for(lambda: life.jobs("preprocess")[0]["status"].get("succeeded") == 1, "the Job is complete")
    operator.start()
    pod = life.runs("train")
    operator.kill()
    life.publishes(pod, "train")
    operator.start()
    status = life.reaches("Succeeded")
    assert len(life.jobs()) == 2
    assert status["attempts"]["total"] == 2
    dies()
    time.sleep(1)
    assert len(life.jobs()) == 2


@pytest.mark.parametrize(
    ("code", "failure_class"), [(64, "ConfigError"), (65, "DataError"), (66, "NotFound"), (77, "Forbidden")]
)
def test_a_permanent_failure_ends_the_run_with_the_workers_own_words(
    kube: Kube, namespace: str, operator: OperatorProcess, code: int, failure_class: str
) -> None:
    life = Life(kube, namespace)
    pod = life.runs("preprocess")
    life.exits(pod, code, failed("preprocess", code, "page 3 of a.pdf is broken"))
    status = life.reaches("Failed", reason=failure_class)
    assert life.condition("Failed")["message"] == "page 3 of a.pdf is broken"
    assert status["lastFailure"]["exitCode"] == code
    assert len(life.jobs()) == 1


def test_a_failure_that_may_pass_is_retried_in_a_new_job_and_the_old_one_stays(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    first = life.runs("train")
    life.exits(first, 75, failed("train", 75, "S3 answered 503"))
    wait_for(lambda: len(life.jobs("train")) == 2, "there is a second train Job")
    life.passes("train")
    status = life.reaches("Succeeded")
    assert status["attempts"]["counted"] == 1
    assert status["lastFailure"]["message"] == "S3 answered 503"
    assert len(life.jobs("train")) == 2


def test_gpus_that_no_pod_can_use_end_the_run_with_the_third_pod_and_the_workers_sentence(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    for _ in range(3):
        life.exits(life.runs("train"), 69, failed("train", 69, "torch can't use the GPU: the driver is too old"))
    status = life.reaches("Failed", reason="GPUUnavailable")
    assert "the driver is too old" in life.condition("Failed")["message"]
    assert status["attempts"] == {"total": 4, "counted": 0, "disrupted": 3, "preprocess": 1, "train": 3}


def test_the_api_server_takes_a_pod_that_keeps_away_from_nodes_and_has_all_of_a_template(
    kube: Kube, namespace: str
) -> None:
    template = {"env": [{"name": "NCCL_DEBUG", "value": "INFO"}], "runtimeClassName": "nvidia"}
    body = {**a_run("tables", training={"podTemplate": template}), "status": {"excludedNodes": ["node-1", "node-2"]}}
    body["metadata"] |= {"namespace": namespace, "uid": "1"}
    job = build_job(Run.parse(body), Stage.TRAIN, 2, JobDefaults(image="worker:1"))
    stored = kube.create(f"/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All&fieldValidation=Strict", job)
    pod = stored["spec"]["template"]["spec"]
    [term] = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [field["values"] for field in term["preference"]["matchFields"]] == [["node-1"], ["node-2"]]
    assert pod["runtimeClassName"] == "nvidia"


def test_a_run_fails_when_its_retries_are_used_up(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace, retry={"limit": 1})
    for attempt in (1, 2):
        pod = life.runs("preprocess")
        life.exits(pod, 75, failed("preprocess", 75, f"S3 answered 503 for the {attempt}. time"))
    status = life.reaches("Failed", reason="RetryLimitReached")
    assert "503 for the 2. time" in life.condition("Failed")["message"]
    assert status["attempts"]["counted"] == 2


def test_a_pod_that_somebody_deletes_is_a_disruption(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    pod = life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0")
    wait_for(lambda: len(life.jobs()) == 2, "there is a second Job")
    assert life.status["attempts"]["counted"] == 0
    assert life.status["attempts"]["disrupted"] == 1


def test_an_evicted_pod_is_replaced_by_its_job(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    pod = life.runs("preprocess")
    life.reaches("Preprocessing")
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
    ended = {"exitCode": 137, "reason": "Error", "finishedAt": "2026-01-01T00:01:00Z"}
    life.pod_status(pod, "Failed", {"terminated": ended}, conditions=[disrupted])
    second = wait_for(
        lambda: next((p for p in life.pods("preprocess") if p["metadata"]["uid"] != pod["metadata"]["uid"]), None),
        "the Job replaces the pod",
    )
    life.pod_status(second, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    life.reaches("Preprocessing")
    assert len(life.jobs()) == 1
    assert "lastFailure" not in life.status


def test_a_deleted_job_is_made_again(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.has_pod("preprocess")
    name = life.jobs()[0]["metadata"]["name"]
    kube.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}?propagationPolicy=Background")
    wait_for(
        lambda: [j["metadata"]["name"] for j in life.jobs() if "-preprocess-2-" in j["metadata"]["name"]], "attempt 2"
    )
    assert life.status["lastFailure"]["class"] == "JobLost"


def test_a_pod_that_outlives_its_deleted_job_keeps_the_next_attempt_waiting(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    pod = life.runs("preprocess")
    life.reaches("Preprocessing")
    name = life.jobs()[0]["metadata"]["name"]
    kube.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}?propagationPolicy=Orphan")
    life.reaches("Retrying", reason="Retrying")
    assert f"waits for pod {pod['metadata']['name']} to end" in life.condition("Succeeded")["message"]
    assert life.jobs() == []
    life.exits(pod, 143)
    wait_for(lambda: len(life.jobs()) == 1, "attempt 2 begins")


def test_a_job_deleted_while_the_operator_is_down_is_made_again(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.has_pod("preprocess")
    operator.kill()
    job = life.jobs()[0]["metadata"]
    kube.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['name']}?propagationPolicy=Background")
    operator.start()
    # The first attempt once more, where the status did not tell of it yet, and else the second one.
    wait_for(lambda: [other for other in life.jobs() if other["metadata"]["uid"] != job["uid"]], "another Job")


def test_the_jobs_of_a_succeeded_run_may_be_deleted(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.passes("preprocess")
    life.passes("train")
    before = life.reaches("Succeeded")
    for job in life.jobs():
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}?propagationPolicy=Background"
        kube.delete(path)
    wait_for(lambda: not life.jobs(), "the Jobs are gone")
    operator.kill()
    operator.start()
    time.sleep(2)
    assert life.status == before
    assert life.jobs() == []


def test_a_run_is_deleted_with_everything_it_owns_while_the_operator_is_down(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.has_pod("preprocess")
    operator.kill()
    kube.delete(f"{life.path}?propagationPolicy=Background")
    wait_for(lambda: not kube.exists(life.path), "the run is gone")
    wait_for(lambda: not kube.jobs(namespace), "its Jobs are gone")


def test_suspending_stops_the_pods_and_resuming_starts_them_again(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    kube.patch(life.path, {"spec": {"suspend": True}})
    life.reaches("Suspended")
    wait_for(lambda: not life.pods("preprocess"), "the pod is gone")
    assert life.condition("Suspended")["status"] == "True"
    kube.patch(life.path, {"spec": {"suspend": False}})
    life.passes("preprocess")
    life.has_pod("train")
    # The Job controller may make the pod before the operator has written its status.
    expected = {"total": 2, "counted": 0, "disrupted": 0, "preprocess": 1, "train": 1}
    wait_for(lambda: life.status["attempts"] == expected, "the attempts are counted")


def test_a_run_created_suspended_makes_no_job_and_may_still_be_edited(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, suspend=True)
    life.reaches("Suspended")
    kube.patch(life.path, {"spec": {"training": {"epochs": 9}}})
    assert life.jobs() == []
    kube.patch(life.path, {"spec": {"suspend": False}})
    life.passes("preprocess")
    life.has_pod("train")
    command = life.jobs("train")[0]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--num-epoch") + 1] == "9"


def test_a_run_that_asks_for_more_gpus_than_there_are_waits_and_says_so(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    life = Life(kube, namespace, training={"gpusPerNode": 16, "podTemplate": None})
    life.passes("preprocess")
    life.reaches("Queued", reason="WaitingForGPU")
    message = life.condition("Succeeded")["message"]
    assert "16 x nvidia.com/gpu" in message
    assert "Insufficient nvidia.com/gpu" in message


def test_a_pod_that_fits_on_no_node_says_so(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.reaches("Pending", reason="WaitingForNode")
    assert "node" in life.condition("Succeeded")["message"]


def test_an_image_that_cannot_be_pulled_stalls_the_run(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}
    life.pod_status(life.has_pod("preprocess"), "Pending", waiting, conditions=[])
    life.reaches("Pending", reason="ImagePullFailed")
    assert "manifest unknown" in life.condition("Stalled")["message"]
    assert life.condition("Stalled")["status"] == "True"


def test_a_job_that_a_policy_forbids_is_made_once_it_is_allowed(
    kube: Kube, namespace: str, operator: OperatorProcess
) -> None:
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    jobs = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    spec = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [jobs]},
        "validations": [{"expression": "false", "message": "no Jobs on Fridays"}],
    }
    binding = {"policyName": namespace, "validationActions": ["Deny"]}
    kube.create(policies, {"metadata": {"name": namespace}, "spec": spec})
    try:
        kube.create(bindings, {"metadata": {"name": namespace}, "spec": binding})
        pod = {"restartPolicy": "Never", "containers": [{"name": "worker", "image": "i"}]}
        a_job: Object = {"metadata": {"name": "a"}, "spec": {"template": {"spec": pod}}}
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All"
        wait_for(lambda: "Fridays" in kube.refusal(path, a_job), "the policy holds", timeout_s=60)
        life = Life(kube, namespace)
        life.reaches("Pending", reason="JobRejected")
        assert "no Jobs on Fridays" in life.condition("Stalled")["message"]
    finally:
        kube.delete(f"{bindings}/{namespace}")
        kube.delete(f"{policies}/{namespace}")
    wait_for(lambda: not kube.refusal(path, a_job), "the policy holds no more", timeout_s=60)
    kube.patch(life.path, {"metadata": {"labels": {"looked-at": "again"}}})
    wait_for(lambda: len(life.jobs()) == 1, "the Job is made")


def test_two_runs_at_once_do_not_touch_each_other(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    first, second = Life(kube, namespace, "first"), Life(kube, namespace, "second")
    first.exits(first.runs("preprocess"), 65, failed("preprocess", 65, "broken"))
    second.passes("preprocess")
    first.reaches("Failed")
    second.has_pod("train")
    assert second.status["attempts"]["counted"] == 0


def test_the_operator_ends_cleanly_when_it_is_told_to(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace)
    life.has_pod("preprocess")
    assert operator.stop() == 0, operator.log
    assert "Traceback" not in operator.log


def test_the_log_is_json_lines_without_credentials(kube: Kube, namespace: str, operator: OperatorProcess) -> None:
    life = Life(kube, namespace, storage={"credentialsSecret": "s3-credentials"})
    life.has_pod("preprocess")
    lines = [json.loads(line) for line in operator.log.splitlines()]
    assert any(line.get("phase") == "Pending" for line in lines)
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert "Bearer" not in operator.log
