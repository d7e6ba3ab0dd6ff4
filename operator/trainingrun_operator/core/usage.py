"""What runs cost and how long people wait: figures for the metrics, on which no decision rests."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from trainingrun_operator.core.names import job_name
from trainingrun_operator.core.observed import PodView
from trainingrun_operator.core.plan import Observed
from trainingrun_operator.core.progress.state import ProgressState
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import LastFailure, Stage, Status

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """How many GPUs a run has, and how many it waits for."""

    used: int = 0
    waiting: int = 0


def gpus(observed: Observed) -> Gpus:
    """Those of the run's training Job, while it has one that is not over. A suspended run waits for none; of those in
    another cluster nothing is known.
    """
    run = observed.run
    per_pod = _gpus_per_pod(run)
    job = observed.job(job_name(run, Stage.TRAIN, run.status.attempts.train))
    if run.status.current_stage is not Stage.TRAIN or job is None or job.owner_uid != run.uid or job.finished:
        return Gpus()
    pods = observed.pods_of(job)
    if job.managed_by and not pods:
        return Gpus()
    used = per_pod * sum(1 for pod in pods if pod.running and not pod.gone)
    wanted = 0 if run.spec.suspend else per_pod * run.spec.training.nodes
    return Gpus(used=used, waiting=max(0, wanted - used))


def new_failure(old: Status, new: Status) -> LastFailure | None:
    """The failure that the new status tells for the first time."""
    return new.last_failure if new.last_failure != old.last_failure else None


def lost_gpu_seconds(observed: Observed, failure: LastFailure) -> float:
    """GPUs times seconds since the last checkpoint, or since the attempt's pods began: what is trained once more."""
    run = observed.run
    job = observed.job(job_name(run, failure.stage, failure.attempt))
    pods: tuple[PodView, ...] = () if job is None else observed.pods_of(job)
    if failure.stage is not Stage.TRAIN or not pods:
        return 0.0
    since = max((pods[-1].created_at, *(point.time for point in run.status.resume_points if point.time)))
    return _gpus_per_pod(run) * run.spec.training.nodes * max(0.0, (failure.time - since).total_seconds())


def seconds_to_first_pod(old: Status, new: Status, now: datetime) -> float | None:
    """From the acceptance to now, if the new status tells of a node for the first time."""
    if new.start_time is None or new.node is None or old.node is not None or new.attempts.total > 1:
        return None
    return (now - new.start_time).total_seconds()


def seconds_to_first_step(run: Run, old: ProgressState, new: ProgressState, now: datetime) -> float | None:
    """From the acceptance to now, if a training step is reported for the first time, in its first attempt."""
    if run.status.start_time is None or run.status.attempts.train > 1 or _trains(old) or not _trains(new):
        return None
    return (now - run.status.start_time).total_seconds()


class GpuClock(Generic[K]):
    """Adds up GPUs times seconds over all runs; times are of a clock that never goes back."""

    def __init__(self) -> None:
        self._runs: dict[K, Gpus] = {}
        self._total = Gpus()
        self._at_s: float | None = None
        self._seconds = {"used": 0.0, "waiting": 0.0, "lost": 0.0}

    def see(self, key: K, found: Gpus, now_s: float) -> None:
        """From now on, that is what a run has and waits for; one with neither is forgotten."""
        self.seconds(now_s)
        known = self._runs.pop(key, Gpus())
        if found != Gpus():
            self._runs[key] = found
        self._total = replace(
            self._total,
            used=self._total.used + found.used - known.used,
            waiting=self._total.waiting + found.waiting - known.waiting,
        )

    def lose(self, gpu_seconds: float) -> None:
        """What an attempt that failed had used in vain."""
        self._seconds["lost"] += gpu_seconds

    def seconds(self, now_s: float) -> dict[str, float]:
        """GPU-seconds `used`, `waiting` and `lost` until now."""
        elapsed_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._seconds["used"] += self._total.used * elapsed_s
        self._seconds["waiting"] += self._total.waiting * elapsed_s
        return dict(self._seconds)


def _gpus_per_pod(run: Run) -> int:
    return run.spec.training.gpus_per_node if run.spec.training.device == "cuda" else 0


def _trains(state: ProgressState) -> bool:
    progress = state.progress
    return progress is not None and progress.stage is Stage.TRAIN and bool(progress.iteration or progress.epoch)
