"""What the scheduler and the kubelet would do to a run's pods, done by the tests through the status subresource.

The pods ask for a node label that no node has, so that nothing real touches them; the Jobs are kept by the real
Job controller, which sees these pods end and concludes for itself.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.world import DATASET, MODEL, merged

NOWHERE = {"nodeSelector": {"trainingrun-test/nowhere": "true"}}


def a_run(name: str, **spec: Any) -> Object:
    """A run whose pods are never scheduled; of another name, it writes to other places."""
    base: Object = {
        "storage": {"bucket": "tables"},
        "dataset": {"sourceFolder": "sources/demo", "targetFolder": f"datasets/{name}"},
        "training": {"modelOutput": f"s3://tables/models/{name}/tables.pth", "epochs": 3, "podTemplate": NOWHERE},
        "preprocess": {"podTemplate": NOWHERE},
        "retry": {"backoff": "1s"},
    }
    body = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun", "metadata": {"name": name}}
    return {**body, "spec": merged(base, spec)}


class Life:
    """One run in the cluster."""

    def __init__(
        self, kube: Kube, namespace: str, name: str = "tables", *, labels: dict[str, str] | None = None, **spec: Any
    ) -> None:
        self.kube = kube
        self.namespace = namespace
        self.name = name
        body = a_run(name, **spec)
        body["metadata"]["labels"] = labels or {}
        self.uid: str = kube.create_run(namespace, body)["metadata"]["uid"]

    # -- reading

    @property
    def path(self) -> str:
        return self.kube.run_path(self.namespace, self.name)

    @property
    def status(self) -> Object:
        return self.kube.status(self.namespace, self.name)

    def condition(self, kind: str) -> Object:
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def jobs(self, stage: str | None = None) -> list[Object]:
        found = [job for job in self.kube.jobs(self.namespace) if self._is_mine(job)]
        return [job for job in found if stage in (None, job["metadata"]["labels"]["training.badgerdoc.dev/stage"])]

    def pods(self, stage: str) -> list[Object]:
        """The pods that have not ended, oldest first."""
        return sorted(
            (
                pod
                for pod in self.kube.pods(self.namespace)
                if pod["metadata"].get("labels", {}).get("training.badgerdoc.dev/run-uid") == self.uid
                and pod["metadata"]["labels"]["training.badgerdoc.dev/stage"] == stage
                and pod["status"]["phase"] in ("Pending", "Running")
                and "deletionTimestamp" not in pod["metadata"]
            ),
            key=lambda pod: str(pod["metadata"]["creationTimestamp"]),
        )

    def events(self) -> set[str]:
        items = self.kube.items(f"/api/v1/namespaces/{self.namespace}/events")
        return {event["reason"] for event in items if event["involvedObject"].get("uid") == self.uid}

    # -- waiting

    def reaches(self, phase: str, *, reason: str | None = None) -> Object:
        def there() -> Object | None:
            status = self.status
            right = reason is None or self.condition("Succeeded").get("reason") == reason
            return status if status.get("phase") == phase and right else None

        try:
            return wait_for(there, f"{self.name} is {phase} ({reason})")
        except AssertionError as error:
            raise AssertionError(f"{error}; its status: {json.dumps(self.status, indent=1)}") from None

    def has_pod(self, stage: str) -> Object:
        return wait_for(lambda: (self.pods(stage) or [None])[-1], f"{self.name} has a {stage} pod")

    # -- the kubelet

    def pod_status(self, pod: Object, phase: str, state: Object, **more: Any) -> None:
        worker = {"name": "worker", "image": "i", "imageID": "i", "ready": phase == "Running", "restartCount": 0}
        status = {"phase": phase, "containerStatuses": [{**worker, "state": state}], **more}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        self.kube.patch(path, {"status": status})

    def runs(self, stage: str) -> Object:
        pod = self.has_pod(stage)
        self.pod_status(pod, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        return pod

    def exits(self, pod: Object, code: int, message: str = "", reason: str = "") -> None:
        times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:01:00Z"}
        ended = {"exitCode": code, "message": message, "reason": reason or ("Error" if code else "Completed"), **times}
        self.pod_status(pod, "Failed" if code else "Succeeded", {"terminated": ended})

    def publishes(self, pod: Object, stage: str) -> None:
        result = {"dataset": DATASET} if stage == "preprocess" else {"model": MODEL}
        self.exits(pod, 0, json.dumps({"version": 1, "stage": stage, "result": "succeeded", **result}))

    def passes(self, stage: str) -> None:
        """The stage's worker runs and publishes."""
        pod = self.runs(stage)
        self.reaches("Training" if stage == "train" else "Preprocessing")
        self.publishes(pod, stage)

    def _is_mine(self, thing: Object) -> bool:
        return any(ref["uid"] == self.uid for ref in thing["metadata"].get("ownerReferences", []))
