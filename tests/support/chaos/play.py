# ruff: noqa: ARG002  (each kind of act is given the act)
"""Plays the schedule on the stage, measures how soon all goes on after each act, and says what was broken."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hack.bench import figures
from tests.support.chaos.control_plane import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER
from tests.support.chaos.faults import CALM, Weather
from tests.support.chaos.observer import GROUP, RUN_UID, TERMINAL, is_active
from tests.support.chaos.schedule import BY_PEOPLE, Act, What, acts
from tests.support.chaos.scripts import simple_script, write_scripts
from tests.support.chaos.stage import JOBS, NAMESPACE, PODS, Stage, running_stage
from tests.support.cluster.kube import RUNS, Kube, KubeError, Object

# A new run's first pod works by then, whatever has happened before.
MOST_SECONDS_TO_RECOVER = 120.0
# And by then every run is as its script says.
MOST_SECONDS_TO_REST = 240.0
WEATHERS = {
    What.CALLS_REFUSED: Weather(refused=0.4),
    What.CALLS_UNANSWERED: Weather(unanswered=0.4),
    What.CALLS_SLOW: Weather(delay_s=1.5),
    What.EVENTS_LOST: Weather(lost=0.6),
}
KILLED = {
    What.API_SERVER_KILLED: API_SERVER,
    What.ETCD_KILLED: ETCD,
    What.CONTROLLER_MANAGER_KILLED: CONTROLLER_MANAGER,
    What.SCHEDULER_KILLED: SCHEDULER,
}


@dataclass
class Measured:
    """Of one kind of act: how long each lasted, until a run that was made right after it had a pod at work, and how
    long a status was behind meanwhile.
    """

    lasted_s: list[float] = field(default_factory=list)
    recovered_s: list[float] = field(default_factory=list)
    behind_s: list[float] = field(default_factory=list)


@dataclass
class Play:
    """One play; `measured` by what happened."""

    stage: Stage
    seed: int
    minutes: float
    say: Callable[[str], None]
    measured: dict[What, Measured] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    _canaries: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(f"choices {self.seed}")

    def perform(self) -> None:
        began_s = time.monotonic()
        for _ in range(2):
            self._act(Act(What.NOTHING, 0.0, 0.0))
        for act in acts(self.seed, self.minutes):
            time.sleep(act.pause_s)
            if time.monotonic() - began_s > self.minutes * 60.0:
                break
            self._act(act)
        self.stage.proxy.weather = CALM

    def comes_to_rest(self, within_s: float) -> None:
        """Waits until everything is as the scripts say; what is not goes to what was broken."""
        deadline_s = time.monotonic() + within_s
        while True:
            differences = self.stage.differences()
            if not differences and self.stage.all_are_made():
                break
            if time.monotonic() > deadline_s:
                self.broken += [f"after {within_s:.0f} s of quiet {each}" for each in differences]
                break
            time.sleep(2.0)
        self.broken += self.stage.observer.broken

    def _act(self, act: Act) -> None:
        observer = self.stage.observer
        observer.longest_behind_s = 0.0
        began_s = time.monotonic()
        what_to = self._do(act)
        measured = self.measured.setdefault(act.what, Measured())
        measured.lasted_s.append(time.monotonic() - began_s)
        recovered_s = None if act.what in BY_PEOPLE else self._recovers(act.what)
        if recovered_s is not None:
            measured.recovered_s.append(recovered_s)
        measured.behind_s.append(observer.longest_behind_s)
        after = "" if recovered_s is None else f"; a new run was under way {recovered_s:.1f} s later"
        self.say(f"{act.what}{what_to} for {measured.lasted_s[-1]:.1f} s{after}")

    def _recovers(self, what: What) -> float:
        """Seconds until a run that is made now has a pod at work, and says so."""
        self._canaries += 1
        script = simple_script(f"canary-{self._canaries:03}")
        began_s = time.monotonic()
        self.stage.add(script)
        with closing(self.stage.kube()) as kube:
            while True:
                passed_s = time.monotonic() - began_s
                try:
                    if kube.status(NAMESPACE, script.run).get("phase") in ("Preprocessing", "Training", *TERMINAL):
                        return passed_s
                except KubeError:
                    pass
                if passed_s > MOST_SECONDS_TO_RECOVER:
                    self.broken.append(f"{passed_s:.0f} s after '{what}' no new run was under way")
                    return passed_s
                time.sleep(0.1)

    # -- what happens; each answers to what it did it

    def _do(self, act: Act) -> str:
        if act.what in KILLED:
            component = self.stage.plane.components[KILLED[act.what]]
            component.kill()
            time.sleep(act.lasts_s)
            self.stage.plane.start(component.name)
        elif act.what in WEATHERS:
            self.stage.proxy.weather = WEATHERS[act.what]
            time.sleep(act.lasts_s)
            self.stage.proxy.weather = CALM
        else:
            return self._others[act.what](self, act)
        return ""

    def _nothing(self, act: Act) -> str:
        return ""

    def _kill_operator(self, act: Act) -> str:
        with self.stage.lock:
            self.stage.operator.kill()
        time.sleep(act.lasts_s)
        with self.stage.lock:
            self.stage.operator.start(wait=False)
        return ""

    def _freeze_operator(self, act: Act) -> str:
        self.stage.operator.send(signal.SIGSTOP)
        time.sleep(act.lasts_s)
        self.stage.operator.send(signal.SIGCONT)
        return ""

    def _freeze_api_server(self, act: Act) -> str:
        component = self.stage.plane.components[API_SERVER]
        component.send(signal.SIGSTOP)
        time.sleep(act.lasts_s)
        component.send(signal.SIGCONT)
        return ""

    def _cut_watches(self, act: Act) -> str:
        self.stage.proxy.cut_watches()
        return ""

    def _reboot_node(self, act: Act) -> str:
        nodes = self.stage.kubelets.nodes_at_work()
        if not nodes:
            return " (none was at work)"
        node = self._rng.choice(nodes)
        return f" with {self.stage.kubelets.reboot(node)} pods"

    def _lose_node(self, act: Act) -> str:
        """The machine is gone, and then the cloud's controller takes the node away; another comes for it."""
        nodes = self.stage.kubelets.nodes_at_work()
        if not nodes:
            return " (none was at work)"
        node = self._rng.choice(nodes)
        self.stage.kubelets.off.add(node)
        with closing(self.stage.kube()) as kube:
            kube.delete(f"/api/v1/nodes/{node}")
            time.sleep(act.lasts_s)
            self.stage.kubelets.add_node(kube, f"{node}-{self._rng.randrange(10**6)}")
        return f": {node}"

    def _evict_pod(self, act: Act) -> str:
        def evict(kube: Kube, pod: Object) -> None:
            meta = {"name": pod["metadata"]["name"], "namespace": NAMESPACE}
            kube.create(
                f"{PODS}/{meta['name']}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
            )

        return self._does_to(PODS, evict, lambda pod: pod["status"]["phase"] == "Running")

    def _delete_job(self, act: Act) -> str:
        def delete(kube: Kube, job: Object) -> None:
            kube.call("DELETE", f"{JOBS}/{job['metadata']['name']}", {"propagationPolicy": "Background"})

        with closing(self.stage.kube()) as kube:
            begun = {run["metadata"]["uid"]: run.get("status", {}) for run in kube.items(RUNS.format(NAMESPACE))}

        def is_told_of(job: Object) -> bool:
            """A Job that no status tells of yet may be made again under its name."""
            labels, status = job["metadata"]["labels"], begun.get(job["metadata"]["ownerReferences"][0]["uid"], {})
            told = status.get("attempts", {}).get(labels[f"{GROUP}/stage"], 0)
            return is_active(job) and int(told) >= int(labels[f"{GROUP}/attempt"])

        return self._does_to(JOBS, delete, is_told_of)

    def _take_label(self, act: Act) -> str:
        def take(kube: Kube, job: Object) -> None:
            kube.patch(f"{JOBS}/{job['metadata']['name']}", {"metadata": {"labels": {RUN_UID: None}}})

        return self._does_to(JOBS, take, is_active)

    def _delete_run(self, act: Act) -> str:
        def delete(kube: Kube, run: Object) -> None:
            self.stage.deleted.add(run["metadata"]["name"])
            kube.delete(kube.run_path(NAMESPACE, run["metadata"]["name"]))

        return self._does_to(RUNS.format(NAMESPACE), delete, self._is_under_way)

    def _suspend_run(self, act: Act) -> str:
        def suspend(kube: Kube, run: Object) -> None:
            path = kube.run_path(NAMESPACE, run["metadata"]["name"])
            kube.patch(path, {"spec": {"suspend": True}})
            time.sleep(act.lasts_s)
            kube.patch(path, {"spec": {"suspend": False}})

        return self._does_to(RUNS.format(NAMESPACE), suspend, self._is_under_way)

    def _restore_etcd(self, act: Act) -> str:
        self.stage.plane.back_up()
        time.sleep(act.lasts_s)
        with self.stage.lock:
            self.stage.plane.restore()
            self.stage.observer.forget()
            self.stage.make_good()
        return ""

    def _does_to(self, path: str, do: Callable[[Kube, Object], None], fits: Callable[[Object], bool]) -> str:
        with closing(self.stage.kube()) as kube:
            found = sorted((each for each in kube.items(path) if fits(each)), key=lambda each: each["metadata"]["name"])
            if not found:
                return " (there was none)"
            chosen = self._rng.choice(found)
            try:
                do(kube, chosen)
            except KubeError as error:
                # It may have ended meanwhile.
                if error.status not in (404, 409):
                    raise
        return f": {chosen['metadata']['name']}"

    def _is_under_way(self, run: Object) -> bool:
        return run.get("status", {}).get("phase") not in (None, *TERMINAL)

    _others: ClassVar[dict[What, Callable[[Play, Act], str]]] = {
        What.NOTHING: _nothing,
        What.OPERATOR_KILLED: _kill_operator,
        What.OPERATOR_FROZEN: _freeze_operator,
        What.API_SERVER_FROZEN: _freeze_api_server,
        What.WATCHES_CUT: _cut_watches,
        What.NODE_REBOOTED: _reboot_node,
        What.NODE_LOST: _lose_node,
        What.POD_EVICTED: _evict_pod,
        What.JOB_DELETED: _delete_job,
        What.RUN_DELETED: _delete_run,
        What.RUN_SUSPENDED: _suspend_run,
        What.LABEL_TAKEN: _take_label,
        What.ETCD_RESTORED: _restore_etcd,
    }

    # -- what is told of it

    def table(self) -> str:
        head = [
            "what",
            "times",
            "lasted, s",
            "until a new run is under way, s: median",
            "longest",
            "a status was behind, s",
        ]
        return figures.table(head, [_row(what, self.measured[what]) for what in What if what in self.measured])


def play(seed: int, minutes: float, runs: int, folder: Path) -> Play:
    """Plays it to the end.

    Args:
        folder: where the operator's log is kept.
    """
    began_s = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began_s:7.1f}  {what}", flush=True)

    with running_stage(write_scripts(seed, runs, minutes), folder, seed) as stage:
        say(f"{runs} runs, {minutes:g} minutes, seed {seed}; the operator's log is {folder}/operator.log")
        one = Play(stage, seed, minutes, say)
        one.perform()
        say("quiet")
        one.comes_to_rest(within_s=MOST_SECONDS_TO_REST)
        phases = ", ".join(f"{number} {phase}" for phase, number in sorted(stage.phases().items()))
        ended = f"the operator ended by itself {stage.operator_ended} times"
        say(f"{phases}, {len(stage.deleted)} deleted; {stage.looks} looks; {ended}")
    return one


def _row(what: What, measured: Measured) -> list[str]:
    recovered = measured.recovered_s
    return [
        what,
        str(len(measured.lasted_s)),
        f"{statistics.median(measured.lasted_s):.1f}",
        f"{statistics.median(recovered):.1f}" if recovered else "",
        f"{max(recovered):.1f}" if recovered else "",
        f"{max(measured.behind_s):.1f}",
    ]
