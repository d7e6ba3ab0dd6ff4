"""From `kubectl apply` to a model in S3, with real pods, while the operator is killed twice."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass

import pytest
import torch

from tests.support.cluster.kubernetes_cli import (
    Object,
    Watch,
    condition,
    get,
    items,
    kill_operator,
    kubectl,
    wait_until,
)
from tests.support.cluster.workspace import BUCKET, Workspace
from training.storage.uri import open_storage

pytestmark = pytest.mark.e2e
EPOCHS = 6


@dataclass(frozen=True)
class Story:
    """What was seen of one run: its end, everything the watch printed, and its pods while they ran."""

    run: Object
    watched: list[Object]
    pods: dict[str, Object]
    jobs: list[Object]
    namespace: str


def _phase_of(run: Object) -> str:
    return str(run.get("status", {}).get("phase", ""))


def _running_pod(workspace: Workspace, stage: str) -> Object | None:
    for pod in items(workspace.namespace, "pods", f"training.badgerdoc.dev/stage={stage}"):
        if pod["status"]["phase"] == "Running":
            return pod
    return None


@pytest.fixture(scope="module")
def story(workspace: Workspace) -> Story:
    """One run, its operator killed with SIGKILL once in each stage."""
    kubectl("apply", "-f", "-", stdin=workspace.run("tables", epochs=EPOCHS))
    watch = Watch(workspace.namespace, "tables")
    pods: dict[str, Object] = {}
    try:
        for stage in ("preprocess", "train"):
            pods[stage] = wait_until(f"the {stage} pod runs", lambda stage=stage: _running_pod(workspace, stage))
            kill_operator()
        kubectl("-n", workspace.namespace, "wait", "trainingrun/tables", "--for=condition=Succeeded", "--timeout=10m")
        # The two commands are told of it one after the other.
        wait_until("the watch shows it, too", lambda: _phase_of(watch.seen[-1]) == "Succeeded")
    finally:
        watch.close()
    jobs = items(workspace.namespace, "jobs")
    return Story(get(workspace.namespace, "trainingrun", "tables"), watch.seen, pods, jobs, workspace.namespace)


def test_the_run_succeeds_with_all_epochs_and_a_model_in_s3(story: Story) -> None:
    status = story.run["status"]
    assert status["phase"] == "Succeeded"
    assert status["progress"]["epochs"] == f"{EPOCHS}/{EPOCHS}"
    assert status["model"]["uri"] == f"s3://{BUCKET}/{story.namespace}/tables/model.pth"
    for kind in ("Succeeded", "DatasetReady", "Trained", "Complete"):
        assert condition(story.run, kind)["status"] == "True", kind
    assert condition(story.run, "Failed")["status"] == "False"


def test_the_status_says_what_was_trained_on_and_from_which_weights(story: Story) -> None:
    assert story.run["status"]["gpu"] == "CPU"
    assert condition(story.run, "BaseWeights")["reason"] == "RandomWeights"
    assert _event_reasons(story.namespace, "tables").count("RandomWeights") == 1


def test_the_model_object_is_the_one_that_its_manifest_and_the_status_name(story: Story) -> None:
    storage = open_storage(f"s3://{BUCKET}/{story.namespace}/tables")
    model = storage.read_bytes("model.pth")
    digest = hashlib.sha256(model).hexdigest()
    manifest = json.loads(storage.read_bytes("model.pth.manifest.json"))
    assert manifest["sha256"] == digest
    assert manifest["sizeBytes"] == len(model)
    assert story.run["status"]["model"]["sha256"] == digest
    assert manifest["datasetDigest"] == story.run["status"]["dataset"]["digest"]
    assert manifest["run"]["uid"] == story.run["metadata"]["uid"]


def test_the_model_opens_as_tensors_only(story: Story) -> None:
    model = open_storage(f"s3://{BUCKET}/{story.namespace}/tables").read_bytes("model.pth")
    loaded = torch.load(io.BytesIO(model), weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in loaded["state_dict"].values())


def test_a_killed_operator_makes_no_second_job(story: Story) -> None:
    stages = sorted(job["metadata"]["labels"]["training.badgerdoc.dev/stage"] for job in story.jobs)
    assert stages == ["preprocess", "train"]
    assert all(job["status"].get("failed", 0) == 0 for job in story.jobs)


def test_the_watch_shows_the_phases_in_order_and_the_epochs_moving(story: Story) -> None:
    phases: list[str] = []
    for seen in story.watched:
        phase = _phase_of(seen)
        if phase and phase not in phases[-1:]:
            phases.append(phase)
    assert phases[-1] == "Succeeded"
    assert [phase for phase in phases if phase in ("Preprocessing", "Training")] == ["Preprocessing", "Training"]
    epochs = {seen.get("status", {}).get("progress", {}).get("epochs") for seen in story.watched}
    assert len(epochs - {None}) >= 2, epochs


def _event_reasons(namespace: str, name: str) -> list[str]:
    """In the order in which `kubectl describe` shows them."""
    events = [event for event in items(namespace, "events") if event["involvedObject"]["name"] == name]
    return [event["reason"] for event in events]


def test_describe_shows_an_event_for_each_step_once_though_the_operator_was_killed(story: Story) -> None:
    reasons = _event_reasons(story.namespace, "tables")
    assert sorted(reason for reason in reasons if reason == "JobCreated") == ["JobCreated"] * 2
    for reason in ("Started", "DatasetReady", "Succeeded"):
        assert reasons.count(reason) == 1, reasons


@pytest.mark.parametrize("stage", ["preprocess", "train"])
def test_a_worker_pod_holds_no_kubernetes_token_and_runs_restricted(story: Story, stage: str) -> None:
    pod = story.pods[stage]["spec"]
    assert pod["automountServiceAccountToken"] is False
    tokens = [
        source["serviceAccountToken"]["audience"]
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]
    assert tokens, "the progress token is there"
    assert all(audience.startswith("trainingrun.badgerdoc.dev/") for audience in tokens)
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    gpus = pod["containers"][0]["resources"].get("limits", {}).get("nvidia.com/gpu")
    assert gpus == ("1" if stage == "train" else None)


def _occupiers(workspace: Workspace, image: str, count: int) -> list[str]:
    names = [f"occupier-{number}" for number in range(count)]
    for name in names:
        container = {
            "name": "sleep",
            "image": image,
            "command": ["python3", "-c", "import time; time.sleep(900)"],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": workspace.namespace},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, "restartPolicy": "Never"},
        }
        kubectl("apply", "-f", "-", stdin=pod)
    kubectl("-n", workspace.namespace, "wait", "pod", *names, "--for=condition=Ready", "--timeout=120s")
    return names


def test_a_run_waits_while_all_gpus_are_taken_and_trains_the_same_model_when_one_is_free(
    story: Story, workspace: Workspace
) -> None:
    node = items("", "nodes")[0]
    image = story.pods["train"]["spec"]["containers"][0]["image"]
    names = _occupiers(workspace, image, int(node["status"]["allocatable"]["nvidia.com/gpu"]))
    kubectl("apply", "-f", "-", stdin=workspace.run("waits", epochs=EPOCHS))

    def waiting_run() -> Object | None:
        run = get(workspace.namespace, "trainingrun", "waits")
        return run if _phase_of(run) == "Queued" else None

    waiting = wait_until("the run waits for a GPU", waiting_run)
    assert condition(waiting, "Succeeded")["reason"] == "WaitingForGPU"
    assert "nvidia.com/gpu" in condition(waiting, "Succeeded")["message"]
    assert waiting["status"]["dataset"]["cacheHit"] is True

    kubectl("-n", workspace.namespace, "delete", "pod", *names, "--wait=false")
    kubectl("-n", workspace.namespace, "wait", "trainingrun/waits", "--for=condition=Succeeded", "--timeout=10m")
    assert {"WaitingForGPU", "TrainingStarted", "Succeeded"} <= set(_event_reasons(workspace.namespace, "waits"))
    storage = open_storage(f"s3://{BUCKET}/{story.namespace}")
    first, second = (
        torch.load(io.BytesIO(storage.read_bytes(f"{name}/model.pth")), weights_only=True)["state_dict"]
        for name in ("tables", "waits")
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_over_a_folder_that_is_not_there_fails_at_once_and_says_so(
    workspace: Workspace, cluster: dict[str, str]
) -> None:
    kubectl(
        "apply", "-f", "-", stdin=workspace.run("absent", source="nothing-here", target=f"{workspace.namespace}/none")
    )
    kubectl("-n", workspace.namespace, "wait", "trainingrun/absent", "--for=condition=Failed", "--timeout=5m")
    failed = get(workspace.namespace, "trainingrun", "absent")
    assert failed["status"]["phase"] == "Failed"
    assert failed["status"]["lastFailure"]["class"] in ("NotFound", "DataError")
    assert "nothing-here" in condition(failed, "Succeeded")["message"]
    assert "model" not in failed["status"]
