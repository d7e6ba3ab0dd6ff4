"""A small controller that does to Jobs what Kueue does: it makes a Workload of each, suspends those without admission,
admits them in order as long as there is quota, and preempts by priority.

Kueue's webhook suspends a Job as it is created; here the controller does so right after.
"""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.cluster.kube import Kube, KubeError, Object, wait_for
from tests.support.operator.workloads import DEACTIVATED, NO_QUOTA, PREEMPTED, admitted, evicted, pending

GROUP = "kueue.x-k8s.io"
QUEUE, PRIORITY = f"{GROUP}/queue-name", f"{GROUP}/priority-class"
PRIORITIES = {"low": 0, "high": 1000}
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LOOK_EVERY_S = 0.1


@contextlib.contextmanager
def alone_with_workloads() -> Iterator[None]:
    """No other test process changes whether Workloads are served, which all namespaces share."""
    with (Path(tempfile.gettempdir()) / "trainingrun-test-workloads.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def serving_workloads(kube: Kube, *versions: str) -> Iterator[None]:
    """The API server serves Workloads in these versions, the first of which it stores."""
    with alone_with_workloads(), _serving(kube, versions):
        yield


@contextlib.contextmanager
def _serving(kube: Kube, versions: tuple[str, ...]) -> Iterator[None]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"active": {"type": "boolean", "default": True}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    names = {"kind": "Workload", "listKind": "WorkloadList", "plural": "workloads", "singular": "workload"}
    body: Object = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"workloads.{GROUP}", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[0],
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
                for version in versions
            ],
        },
    }
    kube.create(_CRDS, body)
    try:
        wait_for(lambda: kube.exists(f"/apis/{GROUP}/{versions[0]}/workloads"), "Workloads are served")
        wait_for(lambda: GROUP in _served_groups(kube), "discovery tells of them")
        yield
    finally:
        kube.delete(f"{_CRDS}/workloads.{GROUP}")
        wait_for(lambda: GROUP not in _served_groups(kube), "Workloads are served no more")


def _served_groups(kube: Kube) -> set[str]:
    """What discovery says, which lags behind what is there."""
    return {group["name"] for group in kube.get("/apis")["groups"]}


class Kueue:
    """One ClusterQueue for a namespace; `quota` is the number of Jobs that it admits at a time."""

    def __init__(
        self, kube: Kube, namespace: str, *, quota: int, version: str = "v1beta2", all_jobs: bool = False
    ) -> None:
        """
        Args:
            all_jobs: `manageJobsWithoutQueueName`: Jobs without a queue are suspended, too, and never admitted.
        """
        self.quota = quota
        # Writes of a Job's spec, by the Job's name.
        self.job_writes: dict[str, int] = {}
        self.admissions: list[str] = []
        # A connection of its own thread's.
        self._kube = Kube(kube.kubeconfig)
        self._jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._path = f"/apis/{GROUP}/{version}/namespaces/{namespace}/workloads"
        self._version = version
        self._all_jobs = all_jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Kueue:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._kube.close()

    # -- for the tests

    def workload(self, job: Object) -> Object | None:
        """The Workload of a Job."""
        return self._by_job().get(job["metadata"]["uid"])

    def has_workload(self, job: Object) -> Object:
        return wait_for(lambda: self.workload(job), f"{job['metadata']['name']} has its Workload")

    def admits(self, run: str, stage: str, *, times: int = 1) -> None:
        """Waits until a run's Job was admitted; a pod that is seen before may be one that is deleted."""

        def admitted_so_often() -> bool:
            return sum(name.startswith(f"{run}-{stage}-") for name in self.admissions) >= times

        wait_for(admitted_so_often, f"the {stage} Job of {run} is admitted")

    def waits_until_at_work(self, job: Object) -> None:
        """Until a Job that was stopped is admitted and resumed."""
        path = f"{self._jobs_path}/{_name(job)}"
        wait_for(lambda: not self._kube.get(path)["spec"].get("suspend"), f"{_name(job)} is resumed")

    def waits_until(self, job: Object, *, active: bool) -> None:
        """Until the Job's Workload is active, or is not."""
        wait_for(lambda: (self.workload(job) or {}).get("spec", {}).get("active") is active, f"active is {active}")

    def delete_workload(self, job: Object) -> None:
        self._kube.delete(f"{self._path}/{self.has_workload(job)['metadata']['name']}")

    def set_active(self, job: Object, active: bool) -> None:
        """As an admin does."""
        self._kube.patch(f"{self._path}/{self.has_workload(job)['metadata']['name']}", {"spec": {"active": active}})

    # -- the controller

    def _work(self) -> None:
        while not self._stop.is_set():
            # What has changed meanwhile is looked at again.
            with contextlib.suppress(KubeError):
                self._look()
            time.sleep(_LOOK_EVERY_S)

    def _look(self) -> None:
        jobs = {job["metadata"]["uid"]: job for job in self._kube.items(self._jobs_path) if self._manages(job)}
        known = self._by_job()
        for uid, job in jobs.items():
            if uid not in known:
                known[uid] = self._make(job)
        open_jobs = [uid for uid, job in jobs.items() if not _is_finished(job)]
        for uid in open_jobs:
            workload = known[uid]
            if workload["spec"]["active"] is False and _is_admitted(workload):
                known[uid] = self._set_conditions(workload, evicted("Deactivated", DEACTIVATED))
        self._admit([(known[uid], jobs[uid]) for uid in open_jobs])
        for uid in open_jobs:
            workload = self._by_job().get(uid)
            if workload is not None and _is_admitted(workload) == bool(jobs[uid]["spec"].get("suspend")):
                self._suspend(jobs[uid], suspend=not _is_admitted(workload))

    def _admit(self, queue: list[tuple[Object, Object]]) -> None:
        queue.sort(key=lambda each: (-_priority(each[1]), each[1]["metadata"]["creationTimestamp"], _name(each[1])))
        admitted_now = [each for each in queue if _is_admitted(each[0])]
        for workload, job in queue:
            if _is_admitted(workload):
                continue
            if workload["spec"]["active"] is False:
                self._wait(workload, DEACTIVATED)
            elif not job["metadata"]["labels"].get(QUEUE):
                self._wait(workload, "LocalQueue  doesn't exist")
            elif len(admitted_now) < self.quota:
                admitted_now.append((workload, job))
                self.admissions.append(_name(job))
                self._set_conditions(workload, admitted())
            else:
                lower = [each for each in admitted_now if _priority(each[1]) < _priority(job)]
                if lower:
                    self._set_conditions(lower[-1][0], evicted("Preempted", PREEMPTED))
                    admitted_now.remove(lower[-1])
                self._wait(workload, NO_QUOTA)

    def _wait(self, workload: Object, why: str) -> None:
        kept = [each for each in workload.get("status", {}).get("conditions", []) if each["type"] != "QuotaReserved"]
        wanted = pending(why) + kept
        told = {each["type"]: each["message"] for each in workload.get("status", {}).get("conditions", [])}
        if told.get("QuotaReserved") != why:
            self._set_conditions(workload, wanted)

    def _manages(self, job: Object) -> bool:
        return self._all_jobs or QUEUE in job["metadata"].get("labels", {})

    def _by_job(self) -> dict[str, Object]:
        return {each["metadata"]["labels"][f"{GROUP}/job-uid"]: each for each in self._kube.items(self._path)}

    def _make(self, job: Object) -> Object:
        name, uid = _name(job), job["metadata"]["uid"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
        return self._kube.create(
            self._path,
            {
                "apiVersion": f"{GROUP}/{self._version}",
                "kind": "Workload",
                "metadata": {
                    "name": f"job-{name}",
                    "labels": {f"{GROUP}/job-uid": uid},
                    "ownerReferences": [owner],
                },
                "spec": {"queueName": job["metadata"]["labels"].get(QUEUE, "")},
            },
        )

    def _set_conditions(self, workload: Object, conditions: list[Object]) -> Object:
        return self._kube.patch(
            f"{self._path}/{workload['metadata']['name']}/status", {"status": {"conditions": conditions}}
        )

    def _suspend(self, job: Object, *, suspend: bool) -> None:
        path = f"{self._jobs_path}/{_name(job)}?fieldManager=kueue"
        self._kube.patch(path, {"spec": {"suspend": suspend}})
        self.job_writes[_name(job)] = self.job_writes.get(_name(job), 0) + 1


def _name(job: Object) -> str:
    name: str = job["metadata"]["name"]
    return name


def _priority(job: Object) -> int:
    return PRIORITIES.get(job["metadata"]["labels"].get(PRIORITY, ""), 0)


def _is_admitted(workload: Object) -> bool:
    conditions = {each["type"]: each["status"] for each in workload.get("status", {}).get("conditions", [])}
    return conditions.get("Admitted") == "True"


def _is_finished(job: Object) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)
