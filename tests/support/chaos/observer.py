"""What an onlooker, who knows nothing of the operator's code, holds against what the API server has stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
GROUP = "training.badgerdoc.dev"
RUN_UID, STAGE, ATTEMPT = f"{GROUP}/run-uid", f"{GROUP}/stage", f"{GROUP}/attempt"
TERMINAL = ("Succeeded", "Failed")
COUNTERS = ("total", "counted", "disrupted", "preprocess", "train")
# A Job controller that is killed now and then ends a finished run's last Job within this time.
MOST_SECONDS_HELD = 90.0


@dataclass
class Known:
    """The last sight of a run."""

    status: Object = field(default_factory=dict)
    newest_point: int = 0
    held_since_s: float | None = None


@dataclass
class Observer:
    """Takes one look after the other; `broken` are the sentences of what must not be, each once."""

    broken: list[str] = field(default_factory=list)
    longest_behind_s: float = 0.0
    _known: dict[str, Known] = field(default_factory=dict)
    _jobs: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _behind_since_s: dict[str, float] = field(default_factory=dict)

    def forget(self) -> None:
        """Everything is as it was at some time before, so nothing that was seen since has to hold."""
        self._known.clear()
        self._jobs.clear()
        self._behind_since_s.clear()

    def look(self, runs: Sequence[Object], jobs: Sequence[Object], pods: Sequence[Object], now_s: float) -> None:
        """One look at everything; runs were listed before Jobs, and Jobs before pods."""
        self._look_at_jobs(jobs)
        self._look_at_pods(pods)
        for run in runs:
            self._look_at_run(run, [job for job in jobs if _owner(job) == run["metadata"]["uid"]], now_s)
        self._measure(runs, jobs, pods, now_s)

    def _breaks(self, sentence: str) -> None:
        if sentence not in self.broken:
            self.broken.append(sentence)

    def _look_at_jobs(self, jobs: Sequence[Object]) -> None:
        training: dict[str, list[str]] = {}
        for job in jobs:
            meta = job["metadata"]
            attempt = (_owner(job), meta["labels"].get(STAGE, ""), meta["labels"].get(ATTEMPT, ""))
            if attempt[1] and self._jobs.setdefault(attempt, meta["uid"]) != meta["uid"]:
                self._breaks(f"Job {meta['name']} was made twice")
            if attempt[1] == "train" and is_active(job):
                training.setdefault(attempt[0], []).append(meta["name"])
        for names in training.values():
            if len(names) > 1:
                self._breaks(f"two train Jobs of one run are active: {', '.join(sorted(names))}")

    def _look_at_pods(self, pods: Sequence[Object]) -> None:
        at_work: dict[str, set[str]] = {}
        for pod in pods:
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]:
                at_work.setdefault(pod["metadata"]["labels"].get(RUN_UID, ""), set()).add(_owner(pod))
        for run_uid, owners in at_work.items():
            if run_uid and len(owners) > 1:
                self._breaks(f"pods of two Jobs of the run {run_uid} work at the same time")

    def _look_at_run(self, run: Object, jobs: Sequence[Object], now_s: float) -> None:
        name, uid, status = run["metadata"]["name"], run["metadata"]["uid"], run.get("status", {})
        known = self._known.setdefault(uid, Known())
        before, phase = known.status, status.get("phase")
        if before.get("phase") in TERMINAL and phase != before["phase"]:
            self._breaks(f"{name} was {before['phase']} and is {phase}")
        for field_name in ("startTime", "model"):
            if field_name in before and status.get(field_name) != before[field_name]:
                self._breaks(f"{name}: status.{field_name} has changed")
        for counter in COUNTERS:
            old, new = (each.get("attempts", {}).get(counter, 0) for each in (before, status))
            if new < old:
                self._breaks(f"{name}: status.attempts.{counter} went from {old} to {new}")
        newest = max((point["iteration"] for point in status.get("resumePoints", ())), default=0)
        if newest < known.newest_point:
            self._breaks(f"{name}: its newest resume point went from iteration {known.newest_point} to {newest}")
        known.status, known.newest_point = status, newest
        holds = phase in TERMINAL and any(is_active(job) for job in jobs)
        known.held_since_s = (known.held_since_s or now_s) if holds else None
        if known.held_since_s is not None and now_s - known.held_since_s > MOST_SECONDS_HELD:
            self._breaks(f"{name} is {phase}, and a Job of it is active")

    def _measure(self, runs: Sequence[Object], jobs: Sequence[Object], pods: Sequence[Object], now_s: float) -> None:
        """For how long the statuses have not said what Jobs and pods do."""
        running = {
            _owner(pod)
            for pod in pods
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        }
        by_run: dict[str, list[Object]] = {}
        for job in jobs:
            by_run.setdefault(_owner(job), []).append(job)
        behind = set()
        for run in runs:
            uid = run["metadata"]["uid"]
            if any(is_behind(run, job, job["metadata"]["uid"] in running) for job in by_run.get(uid, ())):
                behind.add(uid)
        self._behind_since_s = {uid: self._behind_since_s.get(uid, now_s) for uid in behind}
        oldest = min(self._behind_since_s.values(), default=now_s)
        self.longest_behind_s = max(self.longest_behind_s, now_s - oldest)


def is_active(job: Object) -> bool:
    """Whether it has pods or will make some by itself."""
    ended = any(each["status"] == "True" and each["type"] in ("Complete", "Failed") for each in _conditions(job))
    return not ended and not job["spec"].get("suspend") and "deletionTimestamp" not in job["metadata"]


def is_behind(run: Object, job: Object, pod_runs: bool) -> bool:
    """Whether a run's status does not say yet what its Job does."""
    status, labels = run.get("status", {}), job["metadata"]["labels"]
    if status.get("phase") in TERMINAL or run["spec"].get("suspend"):
        return False
    stage, attempt = labels.get(STAGE), int(labels.get(ATTEMPT, "0"))
    ended = {each["type"] for each in _conditions(job) if each["status"] == "True"}
    if "Complete" in ended:
        return stage == "train" or "dataset" not in status
    if "Failed" in ended:
        failure = status.get("lastFailure", {})
        return bool(attempt > failure.get("attempt", 0) or stage != failure.get("stage")) and (
            stage == "train" or "dataset" not in status
        )
    return pod_runs and is_active(job) and status.get("phase") not in ("Preprocessing", "Training")


def _conditions(job: Object) -> Sequence[Object]:
    conditions: Sequence[Object] = job.get("status", {}).get("conditions", ())
    return conditions


def _owner(thing: Object) -> str:
    references = thing["metadata"].get("ownerReferences", ())
    return next((str(each["uid"]) for each in references if each.get("controller")), "")
