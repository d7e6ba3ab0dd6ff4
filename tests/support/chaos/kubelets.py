"""Simulated nodes: what their kubelets would tell of pods that end as their scripts say, and the workers' reports."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.chaos.scripts import TRAIN, Ending, Script, simple_script
from tests.support.chaos.threads import in_threads
from tests.support.cluster.kube import Kube, KubeError, Object

TICK_S = 0.25
NODES, GPUS_PER_NODE = 24, 8
GROUP = "training.badgerdoc.dev"
AT_WORK = "fieldSelector=status.phase!=Succeeded,status.phase!=Failed"
LOST = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located"}
SECONDS_AN_EPOCH = 0.5


@dataclass
class Pod:
    """A pod that a kubelet has taken: what its node knows, whatever the API server has of it."""

    body: Object
    script: Script
    ending: Ending
    started_s: float
    terminated: Object | None = None
    reports: int = 0

    @property
    def stage(self) -> str:
        return str(self.body["metadata"]["labels"][f"{GROUP}/stage"])


@dataclass
class Kubelets:
    """All nodes of a namespace's pods; of a node that is off nothing is heard."""

    kubeconfig: Path
    namespace: str
    scripts: dict[str, Script]
    off: set[str] = field(default_factory=set)
    _pods: dict[str, Pod] = field(default_factory=dict)
    _ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    # What a run has stored on S3, in epochs.
    _checkpoints: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    def add_nodes(self) -> None:
        with closing(Kube(self.kubeconfig)) as kube:
            for number in range(NODES):
                self.add_node(kube, f"node-{number:02}")

    def add_node(self, kube: Kube, name: str) -> None:
        kube.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}})
        room = {"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": str(GPUS_PER_NODE)}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        kube.patch(
            f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}}
        )
        # An API server that has just seen a node for the first time calls it not ready.
        kube.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        self.off.discard(name)

    def reboot(self, node: str) -> int:
        """The containers are gone and nobody saw them end; answers how many."""
        lost = [pod for pod in self._at_work() if pod.body["spec"]["nodeName"] == node]
        for pod in lost:
            pod.terminated = LOST
        return len(lost)

    def nodes_at_work(self) -> list[str]:
        return sorted({pod.body["spec"]["nodeName"] for pod in self._at_work()} - self.off)

    @contextmanager
    def running(self, gateway: str, ca: Path, seed: int) -> Iterator[None]:
        """Works and reports, each in a thread of its own.

        Args:
            gateway: the operator's URL for reports.
        """
        loops: list[Callable[[Kube], None]] = [self._tick, Reporter(self, gateway, ca, random.Random(seed)).report]
        with in_threads([partial(self._repeat, each) for each in loops], self._stop):
            yield

    def _repeat(self, work: Callable[[Kube], None]) -> None:
        with closing(Kube(self.kubeconfig)) as kube:
            while not self._stop.wait(TICK_S):
                try:
                    work(kube)
                except KubeError:
                    # The API server is away; a kubelet tries again.
                    continue

    def _tick(self, kube: Kube) -> None:
        for body in kube.items(f"/api/v1/namespaces/{self.namespace}/pods?resourceVersion=0&{AT_WORK}"):
            node = body["spec"].get("nodeName")
            if not node or node in self.off:
                continue
            try:
                self._look_after(kube, body)
            except KubeError as error:
                if error.status not in (404, 409):
                    raise

    def _look_after(self, kube: Kube, body: Object) -> None:
        uid, now_s = body["metadata"]["uid"], time.monotonic()
        pod = self._pods.get(uid)
        if pod is None:
            labels = body["metadata"]["labels"]
            run, stage = labels[f"{GROUP}/run"], labels[f"{GROUP}/stage"]
            script = self.scripts.get(run) or simple_script(run)
            ending = script.ending(stage, self._ends[run, stage])
            pod = self._pods[uid] = Pod(body, script, ending, now_s)
        pod.body = body
        if pod.terminated is None and now_s >= pod.started_s + pod.ending.after_s:
            self._ends[pod.script.run, pod.stage] += 1
            message = pod.script.message(pod.stage, pod.ending)
            pod.terminated = {"exitCode": pod.ending.exit_code, "reason": pod.ending.reason, "message": message}
        if pod.terminated is None and "deletionTimestamp" in body["metadata"]:
            pod.terminated = {"exitCode": 143, "reason": "Error"}
        if pod.stage == TRAIN:
            epochs = int((now_s - pod.started_s) / SECONDS_AN_EPOCH)
            self._checkpoints[pod.script.run] = max(self._checkpoints[pod.script.run], epochs)
        self._tell(kube, pod)

    def _tell(self, kube: Kube, pod: Pod) -> None:
        meta, started = pod.body["metadata"], _time(pod.started_s)
        path = f"/api/v1/namespaces/{self.namespace}/pods/{meta['name']}"
        if pod.terminated is None:
            if pod.body["status"]["phase"] == "Running":
                return
            phase, state = "Running", {"running": {"startedAt": started}}
        else:
            phase = "Failed" if pod.terminated["exitCode"] else "Succeeded"
            state = {"terminated": {**pod.terminated, "startedAt": started, "finishedAt": _time(time.monotonic())}}
        worker = {"name": "worker", "image": "i", "imageID": "i", "ready": phase == "Running", "restartCount": 0}
        status = {"phase": phase, "containerStatuses": [{**worker, "state": state}]}
        kube.patch(f"{path}/status", {"metadata": {"uid": meta["uid"]}, "status": status})
        if "deletionTimestamp" in meta and pod.terminated is not None:
            kube.call("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})

    def _at_work(self) -> list[Pod]:
        return [pod for pod in list(self._pods.values()) if pod.terminated is None]

    def reporting(self) -> list[tuple[Pod, int]]:
        """The training pods whose workers report, and how many epochs of theirs are stored."""
        at_work = (pod for pod in self._at_work() if pod.script.reports and pod.stage == TRAIN)
        return [(pod, self._checkpoints[pod.script.run]) for pod in at_work]


class Reporter:
    """The workers' side of the gateway."""

    def __init__(self, kubelets: Kubelets, gateway: str, ca: Path, rng: random.Random) -> None:
        self._kubelets = kubelets
        self._address = gateway.removeprefix("https://")
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._rng = rng
        self._tokens: dict[str, str] = {}

    def report(self, kube: Kube) -> None:
        for pod, epochs in self._kubelets.reporting():
            if self._rng.random() < 0.3:
                self._send(kube, pod, epochs)

    def _send(self, kube: Kube, pod: Pod, epochs: int) -> None:
        meta = pod.body["metadata"]
        run, attempt = pod.script.run, int(meta["labels"][f"{GROUP}/attempt"])
        pod.reports += 1
        points = [
            {"epoch": n, "iteration": n * 10, "uri": f"s3://tables/{run}/epoch_{n}.pth", "metric": None}
            for n in range(max(1, epochs - 2), epochs + 1)
        ]
        body = {
            "attempt": attempt,
            "sequence": pod.reports,
            "stage": TRAIN,
            "percent": min(99.0, epochs * 1.0),
            "epoch": epochs,
            "totalEpochs": 1000,
            "resumePoints": points,
        }
        path = f"/v1/namespaces/{self._kubelets.namespace}/trainingruns/{run}/progress"
        connection = http.client.HTTPSConnection(self._address, context=self._tls, timeout=2.0)
        try:
            token = self._tokens.get(meta["uid"]) or self._token(kube, pod)
            connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {token}"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            # The operator is away: a worker goes on without it.
            return
        finally:
            connection.close()

    def _token(self, kube: Kube, pod: Pod) -> str:
        volumes = pod.body["spec"].get("volumes", ())
        sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", ())]
        wanted = (source.get("serviceAccountToken", {}).get("audience") for source in sources)
        audience = next(each for each in wanted if each and each.startswith("trainingrun."))
        meta = pod.body["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 3600, "boundObjectRef": bound}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod.body["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{self._kubelets.namespace}/serviceaccounts/{account}/token"
        token: str = kube.create(path, request)["status"]["token"]
        self._tokens[meta["uid"]] = token
        return token


def _time(monotonic_s: float) -> str:
    at = time.time() - time.monotonic() + monotonic_s
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
