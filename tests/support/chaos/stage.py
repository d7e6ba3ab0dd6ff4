"""Where it all takes place: control plane, nodes, the operator behind its faulty proxy, and an onlooker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.chaos.control_plane import ControlPlane, running_control_plane
from tests.support.chaos.faults import FaultyProxy
from tests.support.chaos.kubelets import Kubelets
from tests.support.chaos.observer import Observer, is_active
from tests.support.chaos.scripts import Script
from tests.support.chaos.threads import in_threads
from tests.support.cluster.kube import RUNS, Kube, KubeError, Object
from tests.support.operator.operator_process import OperatorProcess, make_gateway_certificate

NAMESPACE = "chaos"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LOOK_EVERY_S = 1.0
# The shortest that the operator allows: what a watch has lost is found so soon.
RELIST_S = 10


def a_run(script: Script) -> Object:
    """As people write it."""
    spec: dict[str, Any] = {
        "storage": {"bucket": "tables"},
        "dataset": {"sourceFolder": "sources/demo", "targetFolder": f"datasets/{script.run}"},
        "training": {"modelOutput": script.model_uri, "epochs": 20},
        "retry": {"backoff": "1s", "limit": script.retry_limit},
    }
    kind = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun"}
    return {**kind, "metadata": {"name": script.run}, "spec": spec}


@dataclass
class Stage:
    """All that is there. `scripts` are those of the runs that are wanted, `deleted` those that are not any more."""

    plane: ControlPlane
    proxy: FaultyProxy
    operator: OperatorProcess
    kubelets: Kubelets
    scripts: dict[str, Script]
    observer: Observer = field(default_factory=Observer)
    deleted: set[str] = field(default_factory=set)
    looks: int = 0
    operator_ended: int = 0
    _created: set[str] = field(default_factory=set)
    # Held by whoever changes what the onlooker sees as a whole, or starts and ends the operator.
    lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def kube(self) -> Kube:
        return Kube(self.plane.kubeconfig)

    def add(self, script: Script) -> None:
        """A run that is wanted from now on, and made as soon as the API server takes it."""
        self.scripts[script.run] = script
        self.kubelets.scripts[script.run] = script

    def all_are_made(self) -> bool:
        return self._created >= set(self.scripts) - self.deleted

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Runs are made at their time, and looked at, each in a thread of its own."""
        with in_threads((self._make_runs, self._look_on), self._stop):
            yield

    def _make_runs(self) -> None:
        began_s = time.monotonic()
        with closing(self.kube()) as kube:
            while not self._stop.wait(0.1):
                now_s = time.monotonic() - began_s
                due = [each for each in list(self.scripts.values()) if each.created_at_s <= now_s]
                for script in due:
                    if script.run not in self._created | self.deleted:
                        self._make_run(kube, script)

    def _make_run(self, kube: Kube, script: Script) -> None:
        try:
            kube.create_run(NAMESPACE, a_run(script))
        except KubeError as error:
            # A write that was not answered may have been done.
            if error.status != 409:
                return
        self._created.add(script.run)

    def _look_on(self) -> None:
        with closing(self.kube()) as kube:
            while not self._stop.wait(LOOK_EVERY_S):
                with self.lock:
                    if self.operator.has_ended:
                        self.operator_ended += 1
                        self.operator.start(wait=False)
                    with contextlib.suppress(KubeError):
                        self._look(kube)

    def _look(self, kube: Kube) -> None:
        now_s = time.monotonic()
        runs, jobs, pods = (kube.items(path) for path in (RUNS.format(NAMESPACE), JOBS, PODS))
        self.observer.look(runs, jobs, pods, now_s)
        self.looks += 1

    def make_good(self) -> None:
        """After a restore: what was made since the backup is made again, and what was deleted since, deleted."""
        with closing(self.kube()) as kube:
            there = {run["metadata"]["name"] for run in kube.items(RUNS.format(NAMESPACE))}
            for name in there & self.deleted:
                kube.delete(kube.run_path(NAMESPACE, name))
            self._created &= there

    # -- the end

    def differences(self) -> list[str]:
        """What is not yet, or never, as the scripts say, a sentence each."""
        with closing(self.kube()) as kube:
            runs = {run["metadata"]["name"]: run for run in kube.items(RUNS.format(NAMESPACE))}
            jobs = kube.items(JOBS)
        found = [f"{name} was deleted and is there" for name in self.deleted & set(runs)]
        for name, script in self.scripts.items():
            if name in self.deleted:
                continue
            if name not in runs:
                found.append(f"{name} is not there")
                continue
            found += _differences(runs[name], script)
        uids = {run["metadata"]["uid"]: run["metadata"]["name"] for run in runs.values()}
        for job in jobs:
            owner = job["metadata"]["ownerReferences"][0]["uid"]
            if owner not in uids:
                found.append(f"Job {job['metadata']['name']} has outlived its run")
            elif is_active(job) and runs[uids[owner]].get("status", {}).get("phase") == script_phase(self, uids[owner]):
                found.append(f"Job {job['metadata']['name']} of a run that is over is active")
        return found

    def phases(self) -> Counter[str]:
        with closing(self.kube()) as kube:
            runs = kube.items(RUNS.format(NAMESPACE))
        return Counter(run.get("status", {}).get("phase", "none") for run in runs)


def script_phase(stage: Stage, name: str) -> str:
    return stage.scripts[name].phase


def _differences(run: Object, script: Script) -> list[str]:
    status, name = run.get("status", {}), script.run
    phase, conditions = status.get("phase"), {each["type"]: each for each in status.get("conditions", ())}
    reason = conditions.get("Failed", {}).get("reason")
    if phase != script.phase:
        said = conditions.get("Succeeded", {}).get("message")
        return [f"{name} is {phase} and should be {script.phase} ({script.reason}): {said}"]
    if script.reason and reason != script.reason:
        return [f"{name} failed for {reason} and should have for {script.reason}"]
    if not script.reason and status.get("model", {}).get("uri") != script.model_uri:
        return [f"{name} has the model {status.get('model')} and should have {script.model_uri}"]
    return []


@contextmanager
def running_stage(scripts: list[Script], folder: Path, seed: int) -> Iterator[Stage]:
    """Sets everything up, and takes it down.

    Args:
        folder: for the operator's log and certificate.
    """
    with ExitStack() as stack:
        plane = stack.enter_context(running_control_plane())
        with closing(Kube(plane.kubeconfig)) as kube:
            kube.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        by_run = {script.run: script for script in scripts}
        kubelets = Kubelets(plane.kubeconfig, NAMESPACE, dict(by_run))
        kubelets.add_nodes()
        proxy = FaultyProxy(plane.server.url, seed)
        stack.enter_context(proxy.running())
        proxy.write_kubeconfig(folder / "operator.kubeconfig")
        make_gateway_certificate(folder)
        operator = OperatorProcess(
            folder / "operator.kubeconfig",
            NAMESPACE,
            folder,
            log=folder / "operator.log",
            RELIST_INTERVAL_S=str(RELIST_S),
        )
        stack.callback(operator.kill)
        operator.start(wait=False)
        stack.enter_context(kubelets.running(operator.url, folder / "ca.crt", seed))
        stage = Stage(plane, proxy, operator, kubelets, by_run)
        stack.enter_context(stage.at_work())
        yield stage
