"""A namespace of runs, and what people, the Job controller and a kubelet do with them."""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from hack.bench.api_server import ApiServer
from hack.bench.operator.watch import Object, Times, Watch

NAMESPACE = "bench"
_CRD = f"/apis/training.badgerdoc.dev/v1alpha1/namespaces/{NAMESPACE}/trainingruns"
_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_MERGE = "application/merge-patch+json"
_THREADS = 8
_DATASET = {
    "digest": "sha256:" + "ab" * 32,
    "manifest": "s3://tables/datasets/demo/ttv/manifest.json",
    "cacheHit": False,
    "documents": {"total": 10, "prepared": 10, "quarantined": 0},
    "images": {"train": 30, "val": 5, "test": 4},
    "annotations": {"table": 40, "Cell": 900, "header": 60},
}


def a_run(name: str) -> Object:
    """A TrainingRun as people write it."""
    spec = {
        "storage": {"bucket": "tables", "endpoint": "http://s3.example:8333", "credentialsSecret": "s3-credentials"},
        "dataset": {"sourceFolder": "sources/demo", "targetFolder": f"datasets/{name}"},
        "training": {"modelOutput": f"s3://tables/models/{name}/tables.pth", "epochs": 20},
    }
    kind = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


class Life:
    """Runs by name; what is seen of them comes by watches, so that looking costs the API server little."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.uids: dict[str, str] = {}
        self.jobs: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.job_made = Times()
        self.dataset_told = Times()
        self.progress_told = Times()
        Watch(server, _JOBS, self._see_job)
        Watch(server, _CRD, self._see_run)

    def _see_job(self, job: Object, at_s: float) -> None:
        run = job["metadata"]["ownerReferences"][0]["name"]
        self.jobs.setdefault(run, job)
        self.job_made.saw(run, at_s)

    def _see_run(self, run: Object, at_s: float) -> None:
        name, status = run["metadata"]["name"], run.get("status") or {}
        if status.get("dataset"):
            self.dataset_told.saw(name, at_s)
        if status.get("progress"):
            self.progress_told.saw(f"{name} {status['progress'].get('sequence')}", at_s)

    # -- what people do

    def creates(self, name: str) -> float:
        """A run; answers when it was asked for."""
        begun_s = time.monotonic()
        self.uids[name] = self._server.call("POST", _CRD, a_run(name))["metadata"]["uid"]
        return begun_s

    def create_all(self, names: Iterable[str]) -> None:
        self._in_parallel(self.creates, names)

    def delete_all(self) -> None:
        """Runs, and what the garbage collector would delete with them."""
        for path in (_CRD, _JOBS, _PODS):
            self._server.call("DELETE", f"{path}?propagationPolicy=Background&gracePeriodSeconds=0")

    def job_count(self) -> int:
        return len(self._server.call("GET", f"{_JOBS}?resourceVersion=0")["items"])

    # -- what the Job controller and a kubelet do

    def work_all(self, names: Iterable[str]) -> None:
        """A pod of each run's Job works."""
        self._in_parallel(self._works, names)

    def _works(self, name: str) -> None:
        job = self.jobs[name]
        meta, template = job["metadata"], job["spec"]["template"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        pod = {
            "metadata": {
                "name": f"{meta['name']}-0",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            },
            "spec": {"serviceAccountName": "default", **template["spec"], "nodeName": "node-1"},
        }
        self.pods[name] = self._server.call("POST", _PODS, pod)
        self._pod_status(name, "Running", {"running": {"startedAt": _now()}})
        self._job_status(name, {"active": 1, "ready": 1, "startTime": _now()})

    def publishes(self, name: str) -> float:
        """The worker ends, and then its Job; answers when the Job's end was asked for."""
        message = {"version": 1, "stage": "preprocess", "result": "succeeded", "dataset": _DATASET}
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": _now(), "finishedAt": _now()}
        self._pod_status(name, "Succeeded", {"terminated": {**ended, "message": json.dumps(message)}})
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": _now(), "lastProbeTime": _now()}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        status = {"active": 0, "ready": 0, "succeeded": 1, "completionTime": _now(), "conditions": conditions}
        begun_s = time.monotonic()
        self._job_status(name, status)
        return begun_s

    def _job_status(self, name: str, status: dict[str, Any]) -> None:
        path = f"{_JOBS}/{self.jobs[name]['metadata']['name']}/status"
        self._server.call("PATCH", path, {"status": status}, _MERGE)

    def _pod_status(self, name: str, phase: str, state: dict[str, Any]) -> None:
        worker = {"name": "worker", "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": state}
        status = {"phase": phase, "startTime": _now(), "containerStatuses": [worker]}
        path = f"{_PODS}/{self.pods[name]['metadata']['name']}/status"
        self._server.call("PATCH", path, {"status": status}, _MERGE)

    def _in_parallel(self, call: Any, names: Iterable[str]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(call, names))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
