"""Kueue's Workloads as plain data, in the words of Kueue 0.19."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
NO_QUOTA = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor default, "
    "1 more needed"
)
PREEMPTED = (
    "Preempted to accommodate a workload (UID: 9f542104, JobUID: a20d0a6a) due to prioritization in the ClusterQueue; "
    "preemptor path: /gpus; preemptee path: /gpus"
)
DEACTIVATED = "The workload is deactivated"


def condition(kind: str, status: str, reason: str, message: str, time: str = "2026-01-01T00:00:00Z") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


def pending(message: str = NO_QUOTA) -> list[Object]:
    return [condition("QuotaReserved", "False", "Pending", message)]


def admitted() -> list[Object]:
    return [
        condition("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue gpus"),
        condition("Admitted", "True", "Admitted", "The workload is admitted"),
    ]


def evicted(reason: str, message: str) -> list[Object]:
    return [
        condition("QuotaReserved", "False", "Pending", message),
        condition("Evicted", "True", reason, message),
        condition("Admitted", "False", "NoReservation", "The workload has no reservation"),
    ]


def a_workload(job: Object, *, conditions: list[Object], queue: str = "gpus", **spec: Any) -> Object:
    """The Workload that Kueue makes of a Job."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    return {
        "metadata": {
            "name": f"job-{name}",
            "namespace": "demo",
            "uid": f"uid-of-workload-{uid}",
            "labels": {"kueue.x-k8s.io/job-uid": uid},
            "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
            ],
        },
        "spec": {"queueName": queue, "active": True, **spec},
        "status": {"conditions": conditions},
    }
