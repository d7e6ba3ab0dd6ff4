"""What a run says while its Job waits, as decisions over plain data."""

from __future__ import annotations

import pytest

from tests.support.operator.world import World
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase


@pytest.mark.parametrize(
    ("scheduler_says", "phase", "reason"),
    [
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", Phase.QUEUED, "WaitingForGPU"),
        ("0/3 nodes are available: 3 Insufficient memory.", Phase.QUEUED, "WaitingForNode"),
    ],
)
def test_a_train_pod_without_a_place_queues_and_says_for_what(scheduler_says: str, phase: Phase, reason: str) -> None:
    world = World()
    world.reaches_training()
    world.pod_is_unschedulable(scheduler_says)
    world.visits()
    assert (world.status.phase, world.reason) == (phase, reason)
    assert scheduler_says in world.message


def test_a_train_pod_whose_gpus_come_by_a_claim_queues_for_them() -> None:
    claims = {"podTemplate": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]}}
    world = World(training=claims, gpu={"resourceClaim": "gpu"})
    world.reaches_training()
    assert world.status.gpu == "1 x GPU of the claim gpu"
    world.pod_is_unschedulable("0/3 nodes are available: 3 cannot allocate all claims.")
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.QUEUED, "WaitingForGPU")
    assert "training waits for 1 x GPU of the claim gpu: 0/3 nodes" in world.message


def test_a_preprocess_pod_without_a_place_is_pending() -> None:
    world = World()
    world.visits()
    world.pod_is_unschedulable("0/1 nodes are available: 1 Insufficient cpu.")
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, "WaitingForNode")


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("ErrImagePull", "ImagePullFailed"),
        ("ImagePullBackOff", "ImagePullFailed"),
        ("InvalidImageName", "ImagePullFailed"),
        ("CreateContainerConfigError", "ContainerConfigError"),
    ],
)
def test_a_container_that_cannot_start_stalls_the_run_and_says_why(waiting: str, reason: str) -> None:
    world = World()
    world.visits()
    world.container_waits(waiting, 'secret "s3-credentials" not found')
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, reason)
    assert "s3-credentials" in world.message
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.TRUE
    assert world.events[-1].warning


def test_an_init_container_that_cannot_start_stalls_the_run_and_says_why() -> None:
    world = World(preprocess={"podTemplate": {"initContainers": [{"name": "fetch", "image": "fetcher:1"}]}})
    world.visits()
    world.container_waits("PodInitializing")
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("Starting", ConditionStatus.FALSE)
    state = {"waiting": {"reason": "ErrImagePull", "message": 'image "fetcher:1" not found'}}
    world.pod["status"]["initContainerStatuses"] = [{"name": "fetch", "state": state}]
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("ImagePullFailed", ConditionStatus.TRUE)
    assert "fetcher:1" in world.message


def test_an_init_container_that_fails_ends_the_attempt_in_its_own_words() -> None:
    world = World(preprocess={"podTemplate": {"initContainers": [{"name": "fetch", "image": "fetcher:1"}]}})
    world.visits()
    world.container_waits("PodInitializing")
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "message": "Traceback\nno such file\x1b"}}
    world.pod["status"] |= {"phase": "Failed", "initContainerStatuses": [{"name": "fetch", "state": ended}]}
    world.visits()
    failure = world.status.last_failure
    assert failure is not None
    assert failure.failure_class == "InitContainerFailed"
    assert failure.message == "the init container fetch exited with code 3: no such file"
    assert world.status.attempts.counted == 1


def test_the_registrys_own_answer_stays_while_the_kubelet_backs_off() -> None:
    world = World()
    world.visits()
    world.container_waits("ErrImagePull", "rpc error: not found: manifest unknown")
    world.visits()
    world.container_waits("ImagePullBackOff", 'Back-off pulling image "x"')
    plan = world.visits_once()
    assert plan.status is None
    assert "manifest unknown" in world.message


def test_a_job_that_makes_no_pod_stalls_the_run_after_some_minutes() -> None:
    world = World()
    world.visits()
    world.job["status"] = {"startTime": world.now.isoformat()}
    world.waits(100)
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("WaitingForPod", ConditionStatus.FALSE)
    world.waits(100)
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("PodNotCreated", ConditionStatus.TRUE)
    assert f"kubectl describe job/{world.created[-1]}" in world.message
    assert world.events[-1].warning
    world.worker_runs()
    world.visits()
    assert world.condition(ConditionType.STALLED).status is ConditionStatus.FALSE


def test_a_job_that_replaces_a_pod_has_some_minutes_for_that() -> None:
    world = World()
    world.visits()
    world.job["status"] = {"startTime": world.now.isoformat()}
    world.waits(3600)
    world.worker_runs()
    world.pod_ends(137, DisruptionTarget="PreemptionByScheduler")
    world.waits(100)
    world.visits()
    assert world.reason == "WaitingForPod"
    world.waits(100)
    world.visits()
    assert world.reason == "PodNotCreated"


def test_a_pod_whose_volumes_never_come_stalls_the_run_after_some_minutes() -> None:
    world = World(dataset={"passwordsSecret": "missing"})
    world.visits()
    world.container_waits("ContainerCreating")
    since = {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": world.now.isoformat()}
    world.pod["status"]["conditions"] = [since]
    world.waits(100)
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("Starting", ConditionStatus.FALSE)
    world.waits(100)
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == (
        "ContainerConfigError",
        ConditionStatus.TRUE,
    )
    assert f"kubectl describe pod/{world.pod['metadata']['name']}" in world.message


def test_a_large_image_that_is_pulled_for_long_stalls_nothing() -> None:
    world = World()
    world.visits()
    world.container_waits("ContainerCreating")
    since = {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": world.now.isoformat()}
    world.pod["status"]["conditions"] = [since]
    world.waits(3600)
    world.visits()
    assert (world.reason, world.condition(ConditionType.STALLED).status) == ("Starting", ConditionStatus.FALSE)
