"""What runs cost and how long people wait: figures for the status and the metrics, on which no decision rests.

What the status counts is counted from one of its writes to the next, by the times that containers began and ended: a
visit that is repeated counts nothing twice, and an operator that starts anew goes on where the status ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from trainingrun_operator.core.attempt import job_of_attempt
from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.observed import PodView
from trainingrun_operator.core.plan import Observed, Plan
from trainingrun_operator.core.progress.state import ProgressState
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import LastFailure, Phase, Stage, Status, Usage

K = TypeVar("K", bound=Hashable)
_Span = tuple[datetime, datetime]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# In these a run has a Job, or is about to have one, and a pod of it should run.
_WANT_PODS = (Phase.PENDING, Phase.PREPROCESSING, Phase.QUEUED, Phase.TRAINING)


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
    job = observed.job(job_of_attempt(run, Stage.TRAIN, run.status.attempts.train))
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


def count_usage(observed: Observed, plan: Plan, now: datetime) -> Plan:
    """The plan with what the run has used since its last status; where none is written, nothing is counted."""
    new, run = plan.status, observed.run
    if new is None or new.start_time is None:
        return plan
    old, until = run.status.usage, now.replace(microsecond=0)
    usage = Usage(counted_until=until)
    if old is not None:
        until = max(until, old.counted_until)
        worked = [(_part(pod, old.counted_until, until), pod) for pod in observed.pods]
        at_work = [part for part, pod in worked if pod.stage == Stage.TRAIN]
        waited = 0
        if run.status.phase in _WANT_PODS:
            waited = _seconds((old.counted_until, until)) - _covered([part for part, _ in worked])
        usage = Usage(
            gpu_seconds=old.gpu_seconds + _gpus_per_pod(run) * sum(map(_seconds, at_work)),
            waiting_seconds=old.waiting_seconds + waited,
            lost_seconds=old.lost_seconds + _lost(observed, plan, new, until),
            counted_until=until,
        )
    return replace(plan, status=new.model_copy(update={"usage": usage}))


def _lost(observed: Observed, plan: Plan, new: Status, until: datetime) -> int:
    """GPU-seconds since the last checkpoint of pods that have failed or were disrupted: they are spent once more."""
    run, failure = observed.run, new_failure(observed.run.status, new)
    told = set(run.status.disrupted_pods)
    newly = set(new.disrupted_pods) - told
    lost = [
        pod
        for pod in observed.pods
        if pod.stage == Stage.TRAIN
        and short_hash(pod.uid) not in told
        and (short_hash(pod.uid) in newly or (failure and pod.attempt == str(failure.attempt)))
    ]
    if failure is not None and failure.stage is not Stage.TRAIN:
        return 0
    report = plan.progress.report if plan.progress is not None else None
    points = (*run.status.resume_points, *(report.resume_points if report is not None else ()))
    last = max((point.time for point in points if point.time), default=_EPOCH)
    return _gpus_per_pod(run) * sum(_seconds(_part(pod, last, until)) for pod in lost)


def _part(pod: PodView, since: datetime, until: datetime) -> _Span:
    """The part of a time in which a pod's container ran; of one that has vanished nothing where nobody saw its end."""
    ended_at = pod.finished_at or (pod.deleted_at or since if pod.gone else until)
    # A container that could not be started has its start in 1970.
    if pod.started_at is None or pod.started_at == _EPOCH:
        return since, since
    start = max(pod.started_at, since)
    return start, max(start, min(ended_at, until))


def _seconds(span: _Span) -> int:
    return round((span[1] - span[0]).total_seconds())


def _covered(spans: Sequence[_Span]) -> int:
    """Seconds in at least one of them."""
    covered, last = 0, _EPOCH
    for start, end in sorted(spans):
        covered += _seconds((max(start, last), max(end, last)))
        last = max(last, end)
    return covered


def added_loss(old: Status, new: Status) -> int:
    """GPU-seconds that the new status says are lost, beside those of the old one."""
    before, after = (each.usage.lost_seconds if each.usage else 0 for each in (old, new))
    return max(0, after - before)


def seconds_to_first_pod(old: Status, new: Status, now: datetime) -> float | None:
    """From the acceptance to now, if the new status tells of a node for the first time."""
    if new.start_time is None or new.node is None or old.node is not None or new.attempts.total > 1:
        return None
    return (now - new.start_time).total_seconds()


def seconds_to_first_step(run: Run, written: ProgressState, new: ProgressState, now: datetime) -> float | None:
    """From the acceptance to now, if a training step is written into the status for the first time.

    A pod that takes the place of another begins to report anew: only of an undisturbed first attempt it is clear that
    there was no step before.
    """
    status = run.status
    disturbed = status.attempts.train > 1 or status.attempts.disrupted or written.resume_points
    if status.start_time is None or disturbed or _trains(written) or not _trains(new):
        return None
    return (now - status.start_time).total_seconds()


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
