"""A cluster of plain data that reconcile() lives in, and the things that can happen to it, as sentences.

world = World()
world.visits()
world.worker_runs()
world.worker_exits(65, says="page 3 of a.pdf is broken")
world.visits()
assert world.status.phase == "Failed"
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.names import ANNOTATION_SUSPEND, API_VERSION, KIND
from trainingrun_operator.core.observed import view_job, view_pod
from trainingrun_operator.core.places import Claim
from trainingrun_operator.core.plan import CreateError, Event, Observed, Plan
from trainingrun_operator.core.progress.state import ProgressState, advance
from trainingrun_operator.core.queueing.workload import view_workload
from trainingrun_operator.core.reconcile import reconcile
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Condition, ConditionType, Status

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
DEFAULTS = JobDefaults(
    image="registry.example/worker:1",
    image_pull_policy="IfNotPresent",
    gateway_url="https://gateway.trainingrun-system.svc:8443",
    gateway_ca="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
)
INDEX = "batch.kubernetes.io/job-completion-index"
SPEC: dict[str, Any] = {
    "storage": {"bucket": "tables", "endpoint": "http://s3.example:8333", "credentialsSecret": "s3-credentials"},
    "dataset": {"sourceFolder": "sources/demo", "targetFolder": "datasets/demo"},
    "training": {"modelOutput": "s3://tables/models/demo/tables.pth", "epochs": 3},
}
DATASET = {
    "digest": "sha256:" + "ab" * 32,
    "manifest": "s3://tables/datasets/demo/ttv/manifest.json",
    "report": "s3://tables/datasets/demo/report.html",
    "cacheHit": False,
    "documents": {"total": 10, "prepared": 9, "quarantined": 1},
    "images": {"train": 30, "val": 5, "test": 4},
    "annotations": {"table": 40, "Cell": 900, "header": 60},
}
MODEL = {
    "uri": "s3://tables/models/demo/tables.pth",
    "sha256": "cd" * 32,
    "sizeBytes": 2_000_000,
    "manifest": "s3://tables/models/demo/tables.pth.manifest.json",
    "metrics": [{"name": "bbox_mAP", "value": "0.512"}],
}


def training_on_two_nodes() -> World:
    """A run whose two pods train."""
    world = World(training={"nodes": 2})
    world.reaches_training()
    world.visits()
    for index in range(2):
        world.worker_runs(index=index)
    world.visits()
    return world


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, folder by folder; None removes."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def a_run(name: str = "tables", **spec: Any) -> dict[str, Any]:
    """A valid TrainingRun as the API server gives it."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": "demo", "uid": UID, "generation": 1, "resourceVersion": "1"},
        "spec": merged(copy.deepcopy(SPEC), spec),
    }


def termination(stage: str, result: str = "succeeded", **fields: Any) -> str:
    return json.dumps({"version": 1, "stage": stage, "result": result, **fields})


class World:
    """One run, its Jobs and pods, and a clock."""

    def __init__(self, **spec: Any) -> None:
        self.now = START
        self.run = a_run(**spec)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, dict[str, Any]] = {}
        # By name; None: the operator does not follow Kueue.
        self.workloads: dict[str, dict[str, Any]] | None = None
        self.created: list[str] = []
        self.services: list[str] = []
        self.events: list[Event] = []
        self.defaults = DEFAULTS
        self.create_error: CreateError | None = None
        self.ahead: Claim | None = None
        self.last_plan = Plan()

    # -- reading

    @property
    def status(self) -> Status:
        return Run.parse(self.run).status

    def condition(self, kind: ConditionType) -> Condition:
        condition = self.status.condition(kind)
        assert condition is not None, f"{kind} is set from the first visit on"
        return condition

    @property
    def reason(self) -> str:
        return self.condition(ConditionType.SUCCEEDED).reason

    @property
    def message(self) -> str:
        return self.condition(ConditionType.SUCCEEDED).message

    @property
    def job(self) -> dict[str, Any]:
        return self.jobs[self.created[-1]]

    @property
    def pod(self) -> dict[str, Any]:
        return list(self.pods.values())[-1]

    def observed(self) -> Observed:
        return Observed(
            run=Run.parse(self.run),
            jobs=tuple(view_job(job) for job in self.jobs.values()),
            pods=(
                *(view_pod(pod, gone=True) for pod in self.gone.values()),
                *(view_pod(pod) for pod in self.pods.values()),
            ),
            workloads=(
                None if self.workloads is None else tuple(view_workload(each) for each in self.workloads.values())
            ),
            defaults=self.defaults,
            create_error=self.create_error,
            ahead=self.ahead,
        )

    # -- the operator

    def visits_once(self, *, dies_before_status: bool = False) -> Plan:
        """One visit of the operator; it may be killed after its Jobs were made and before its status was written."""
        plan = self.last_plan = reconcile(self.observed(), self.now)
        self.services += [manifest["metadata"]["name"] for manifest in plan.services]
        for manifest in plan.create:
            name = manifest["metadata"]["name"]
            assert name not in self.jobs, "a Job is never made twice"
            alive = [pod for pod in self.pods.values() if pod["status"]["phase"] in ("Pending", "Running")]
            assert not alive or name.rsplit("-", 2)[1] == "1", "no attempt begins beside a pod of the one before it"
            self.created.append(name)
            job = copy.deepcopy(manifest)
            job["metadata"]["uid"] = f"uid-of-{name}"
            self.jobs[name] = job
        for deleted in plan.delete:
            del self.jobs[deleted.name]
        for name, suspended in plan.suspend:
            self.suspends(name, suspended=suspended)
        for name, active in plan.activate:
            self.activates(name, active=active)
        for name in plan.end:
            self.ends(name)
        if dies_before_status:
            return plan
        state = ProgressState.of(self.status)
        if plan.progress is not None:
            report = plan.progress.report
            state = advance(state, report, plan.progress.pod_uid, self.now) if report else state.cleared()
        if plan.status is not None:
            self.run["status"] = plan.status.without_progress()
        elif "status" in self.run:
            self.run["status"] = self.status.without_progress()
        self.run.setdefault("status", {}).update(state.to_json())
        meta = self.run["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
        self.events.extend(plan.events)
        return plan

    def suspends(self, name: str, *, suspended: bool) -> None:
        """The operator writes it, and that it did."""
        self.jobs[name]["spec"]["suspend"] = suspended
        self.jobs[name]["metadata"].setdefault("annotations", {})[ANNOTATION_SUSPEND] = str(suspended).lower()

    def activates(self, name: str, *, active: bool) -> None:
        """The operator writes it, and that it did."""
        assert self.workloads is not None
        self.workloads[name]["spec"]["active"] = active
        self.workloads[name]["metadata"].setdefault("annotations", {})[ANNOTATION_SUSPEND] = str(not active).lower()

    def ends(self, name: str) -> None:
        """The operator has the Job controller end a Job."""
        self.jobs[name]["spec"]["activeDeadlineSeconds"] = 0

    def job_starts(self) -> None:
        """The Job controller sees that the newest Job may have pods."""
        self.job["status"] = {"startTime": self.now.isoformat()}

    def job_has_ended(self) -> None:
        """The Job controller sees that the newest Job was ended: its pods are stopped, and it fails."""
        assert self.job["spec"]["activeDeadlineSeconds"] == 0
        for name, pod in list(self.pods.items()):
            if pod["status"]["phase"] == "Running":
                self.pod_ends(143, pod=pod)
            elif pod["status"]["phase"] == "Pending":
                self.gone[name] = self.pods.pop(name)
        self.job_ends("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")

    def visits(self) -> Plan:
        """Visits until there is nothing left to do at once."""
        for _ in range(10):
            plan = self.visits_once()
            if plan.requeue_after != timedelta(0) and not plan.create:
                return plan
        raise AssertionError("the operator does not come to rest")

    def waits(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def waits_for_the_retry(self) -> None:
        assert self.status.next_retry_time is not None
        self.now = max(self.now, self.status.next_retry_time)

    # -- people

    def changes_spec(self, **spec: Any) -> None:
        self.run["spec"] = merged(self.run["spec"], spec)
        self.run["metadata"]["generation"] += 1

    # -- the Job controller, the scheduler, the kubelet

    def pod_appears(self, job: dict[str, Any] | None = None, *, index: int | None = None) -> dict[str, Any]:
        job = job or self.job
        template = job["spec"]["template"]
        labels = dict(template["metadata"]["labels"])
        if job["spec"].get("completionMode") == "Indexed":
            labels[INDEX] = str(self._free_index(job) if index is None else index)
        name = f"{job['metadata']['name']}-{len(self.pods) + len(self.gone)}"
        created = self.now + timedelta(milliseconds=len(self.pods) + len(self.gone))
        self.pods[name] = {
            "metadata": {
                "name": name,
                "namespace": "demo",
                "uid": f"uid-of-{name}",
                "labels": labels,
                "creationTimestamp": created.isoformat(),
                "ownerReferences": [{"uid": job["metadata"]["uid"], "controller": True}],
            },
            "spec": copy.deepcopy(template["spec"]),
            "status": {"phase": "Pending"},
        }
        return self.pods[name]

    def _free_index(self, job: dict[str, Any]) -> int:
        """The lowest without a pod that works or has succeeded; the last one where all have theirs."""
        taken = {
            int(pod["metadata"]["labels"][INDEX])
            for pod in self.pods.values()
            if pod["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
            and pod["status"]["phase"] != "Failed"
        }
        shards: int = job["spec"]["completions"]
        return next((index for index in range(shards) if index not in taken), shards - 1)

    def pod_is_unschedulable(self, message: str) -> None:
        pod = self.pod_appears()
        pod["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        ]

    def container_waits(self, reason: str, message: str = "") -> None:
        pod = self.pod if self.pods else self.pod_appears()
        pod["spec"]["nodeName"] = "node-1"
        pod["status"]["containerStatuses"] = [
            {"name": "worker", "state": {"waiting": {"reason": reason, "message": message}}}
        ]

    def worker_runs(self, *, index: int | None = None, node: str = "node-1") -> None:
        pod = self.pod_appears(index=index)
        pod["spec"]["nodeName"] = node
        pod["status"] = {
            "phase": "Running",
            "containerStatuses": [{"name": "worker", "state": {"running": {"startedAt": self.now.isoformat()}}}],
        }

    def shard(self, index: int) -> dict[str, Any]:
        """The newest pod of a shard."""
        return [pod for pod in self.pods.values() if pod["metadata"]["labels"].get(INDEX) == str(index)][-1]

    def pod_ends(
        self, code: int, message: str = "", reason: str = "", *, pod: dict[str, Any] | None = None, **conditions: str
    ) -> None:
        """The container terminates; the Job has not looked yet."""
        reason = reason or ("Completed" if code == 0 else "Error")
        ended = pod or self.pod
        before = (ended["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]
        terminated = {"exitCode": code, "reason": reason, "message": message, "finishedAt": self.now.isoformat()}
        if "running" in before:
            terminated |= before["running"]
        ended["status"] = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "worker", "state": {"terminated": terminated}}],
            "conditions": [{"type": kind, "status": "True", "reason": why} for kind, why in conditions.items()],
        }

    def job_ends(
        self, kind: str = "Failed", reason: str = "BackoffLimitExceeded", message: str = "", **status: Any
    ) -> None:
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": self.now.isoformat(),
        }
        self.job["status"] = {"conditions": [condition], **status}

    def worker_exits(self, code: int, *, says: str = "", message: str | None = None, reason: str = "") -> None:
        """The worker fails, and its Job with it."""
        stage = self.job["metadata"]["labels"]["training.badgerdoc.dev/stage"]
        if message is None:
            message = termination(stage, "failed", exitCode=code, reason="", message=says) if says else ""
        self.pod_ends(code, message, reason)
        self.job_ends()

    def worker_publishes(self, **fields: Any) -> None:
        """The worker succeeds, and its Job with it."""
        stage = self.job["metadata"]["labels"]["training.badgerdoc.dev/stage"]
        result = {"dataset": DATASET} if stage == "preprocess" else {"model": MODEL}
        self.pod_ends(0, termination(stage, **{**result, **fields}))
        self.job_ends("Complete", "CompletionsReached")

    def pod_is_deleted(self) -> None:
        name, pod = self.pods.popitem()
        self.gone[name] = pod

    # -- shortcuts

    def reaches_training(self) -> None:
        self.visits()
        self.worker_runs()
        self.visits()
        self.worker_publishes()
        self.visits()

    def succeeds(self) -> None:
        self.reaches_training()
        self.worker_runs()
        self.visits()
        self.worker_publishes()
        self.visits()
