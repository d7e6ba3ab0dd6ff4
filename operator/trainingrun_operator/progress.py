"""What becomes of a worker's report: which ones are taken, in what order, how often they are written. Pure.

The format is the contract "A progress report" of docs/architecture.md. Fields that are not listed here are never taken,
so a newer worker can talk to an older operator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from trainingrun_operator.api import Metric, Progress, ResumePoint, Run, Stage, Status
from trainingrun_operator.model import Model

MAX_RESUME_POINTS = 5
MAX_SHARDS = 64
MAX_THROUGHPUT = 32
# Of the 16 KiB that the whole status may have.
MAX_STATE_BYTES = 5 * 1024
_STAGE_ORDER = (Stage.PREPROCESS, Stage.TRAIN)
# Any report of a pod comes before the pod's termination message.
FINAL_SEQUENCE = 2**53 - 1


def _no_stage_beyond_train(stage: Stage) -> Stage:
    if stage not in _STAGE_ORDER:
        raise ValueError("no worker runs in this stage")
    return stage


class Shard(Model):
    """Which of how many pods that share a stage, counted from 0."""

    model_config = ConfigDict(strict=True)

    index: int = Field(ge=0, lt=MAX_SHARDS)
    of: int = Field(ge=1, le=MAX_SHARDS)


class Report(Model):
    """A worker's report; strict, so that "3" is no number and nothing is guessed."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )

    attempt: int = Field(ge=1, le=10_000)
    sequence: int = Field(ge=0, le=FINAL_SEQUENCE)
    stage: Annotated[Stage, AfterValidator(_no_stage_beyond_train)]
    percent: float | None = Field(None, ge=0, le=100)
    epoch: int | None = Field(None, ge=0, le=1_000_000)
    total_epochs: int | None = Field(None, ge=0, le=1_000_000)
    iteration: int | None = Field(None, ge=0, le=2**53)
    total_iterations: int | None = Field(None, ge=0, le=2**53)
    eta_seconds: int | float | None = Field(None, ge=0, le=10**9)
    throughput: str | None = Field(None, max_length=MAX_THROUGHPUT)
    metrics: tuple[Metric, ...] = Field((), max_length=16)
    resume_points: tuple[ResumePoint, ...] = Field((), max_length=32)
    # Of a pod that does a share of the stage: the other figures are of that share alone.
    shard: Shard | None = None
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class ProgressState:
    """The status fields that the progress field manager owns."""

    progress: Progress | None = None
    resume_points: tuple[ResumePoint, ...] = ()
    best_checkpoint: ResumePoint | None = None

    @classmethod
    def of(cls, status: Status) -> ProgressState:
        """What is already written."""
        return cls(progress=status.progress, resume_points=status.resume_points, best_checkpoint=status.best_checkpoint)

    def to_json(self) -> dict[str, Any]:
        """The fields as the status has them; what is absent here is removed there."""
        return Status(
            progress=self.progress, resume_points=self.resume_points, best_checkpoint=self.best_checkpoint
        ).model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={
                "progress",
                *(["resume_points"] if self.resume_points else []),
                *(["best_checkpoint"] if self.best_checkpoint else []),
            },
        )

    def cleared(self) -> ProgressState:
        """For the start of a stage: the figures of the last one would be read as its own."""
        return replace(self, progress=None)


def is_newer(last: Progress | None, report: Report, pod_uid: str, *, from_newest_pod: bool) -> bool:
    """Whether a report comes after the last one taken.

    Within a pod the sequence decides. A Job replaces a disrupted pod within the same attempt, and the new pod counts
    from the start again, so between pods of an attempt the newest observed one wins.
    """
    if last is None:
        return True
    order = (_STAGE_ORDER.index(report.stage), report.attempt)
    last_order = (_STAGE_ORDER.index(last.stage), last.attempt)
    if order != last_order:
        return order > last_order
    if last.pod_uid is not None and last.pod_uid != pod_uid:
        return from_newest_pod
    return report.sequence > last.sequence


def advance(state: ProgressState, report: Report, pod_uid: str | None, now: datetime) -> ProgressState:
    """The status fields after a report, which no single pod made where several share the stage.

    Reports are cumulative: it replaces all before it.

    A report without resume points leaves the known ones: a new attempt reports before it has looked for checkpoints.
    """
    points = _newest_first(report.resume_points) or state.resume_points
    if report.final and len(points) < len(state.resume_points):
        # A termination message has little room, and its writer leaves out old checkpoints first.
        points = _newest_first((*state.resume_points, *points))
    eta_seconds = None if report.final or report.eta_seconds is None else int(report.eta_seconds)
    percent = None if report.percent is None else int(report.percent)
    epochs = f"{report.epoch or 0}/{report.total_epochs}" if report.total_epochs else None
    advanced = ProgressState(
        progress=Progress(
            stage=report.stage,
            attempt=report.attempt,
            sequence=report.sequence,
            pod_uid=pod_uid,
            percent=percent,
            percentage=None if percent is None else f"{percent}%",
            epoch=report.epoch,
            total_epochs=report.total_epochs,
            epochs=epochs,
            iteration=report.iteration,
            total_iterations=report.total_iterations,
            eta_seconds=eta_seconds,
            eta=None if eta_seconds is None else format_duration(eta_seconds),
            throughput=report.throughput,
            metrics=report.metrics,
            last_update_time=now.replace(microsecond=0),
        ),
        resume_points=points,
        best_checkpoint=_best((*((state.best_checkpoint,) if state.best_checkpoint else ()), *points[::-1])),
    )
    return _fitted(advanced)


def finished(run: Run, stage: Stage, attempt: int, said: Report | None) -> Report:
    """The last report of a stage that succeeded: everything is done, whatever the last report in between said."""
    base = said or Report(attempt=attempt, sequence=0, stage=stage)
    total = base.total_epochs or (run.spec.training.epochs if stage is Stage.TRAIN else None)
    return base.model_copy(
        update={
            "stage": stage,
            "attempt": attempt,
            "sequence": FINAL_SEQUENCE,
            "percent": 100.0,
            "epoch": total,
            "total_epochs": total,
            "iteration": base.total_iterations if base.total_iterations is not None else base.iteration,
            "eta_seconds": None,
            "final": True,
        }
    )


def write_delay(
    written: ProgressState, pending: ProgressState, *, since_write: timedelta, interval: timedelta, final: bool
) -> timedelta:
    """How long a write may wait: not at all for a new checkpoint, a new attempt or the end."""
    old, new = written.progress, pending.progress
    starts = new is not None and (old is None or _source(old) != _source(new))
    known = {point.uri for point in written.resume_points}
    if final or starts or any(point.uri not in known for point in pending.resume_points):
        return timedelta(0)
    return max(timedelta(0), interval - since_write)


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """A token bucket for one run: bursts pass, floods don't."""

    burst: float = 10.0
    per_second: float = 1.0
    tokens: float = 10.0
    at_s: float = 0.0

    def take(self, now_s: float) -> tuple[RateLimit, bool]:
        """The bucket after an attempt to take one, and whether there was one."""
        tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_second)
        taken = tokens >= 1.0
        return replace(self, tokens=tokens - 1.0 if taken else tokens, at_s=now_s), taken


def audience(namespace: str, name: str, uid: str, stage: Stage, attempt: int) -> str:
    """What a worker's token must have been issued for."""
    return f"trainingrun.badgerdoc.dev/{namespace}/{name}/{uid}/{stage}/{attempt}"


def format_duration(seconds: int) -> str:
    """The two largest units, like 1h12m, 3d4h, 45s."""
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    for index, (unit, size) in enumerate(units):
        if seconds >= size:
            text = f"{seconds // size}{unit}"
            if index + 1 < len(units) and unit != "m":
                small_unit, small_size = units[index + 1]
                rest = seconds % size // small_size
                text += f"{rest}{small_unit}" if rest else ""
            return text
    return "0s"


def short_hash(*parts: object, length: int = 8) -> str:
    """A stable hash for names and jitter."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:length]


def _fitted(state: ProgressState) -> ProgressState:
    """Leaves out the oldest checkpoints, then the last metrics, until the state has its size."""
    while len(json.dumps(state.to_json(), ensure_ascii=False).encode()) > MAX_STATE_BYTES:
        if len(state.resume_points) > 1:
            state = replace(state, resume_points=state.resume_points[:-1])
        elif state.progress and state.progress.metrics:
            state = replace(state, progress=state.progress.model_copy(update={"metrics": state.progress.metrics[:-1]}))
        else:
            break
    return state


def _source(progress: Progress) -> tuple[Stage, int, str | None]:
    return progress.stage, progress.attempt, progress.pod_uid


def _newest_first(points: Iterable[ResumePoint]) -> tuple[ResumePoint, ...]:
    by_uri = {point.uri: point for point in points}
    ordered = sorted(by_uri.values(), key=lambda point: (point.epoch, point.iteration), reverse=True)
    return tuple(ordered[:MAX_RESUME_POINTS])


def _best(points: Iterable[ResumePoint]) -> ResumePoint | None:
    """The highest metric; the earlier one of equals."""
    best, best_value = None, float("-inf")
    for point in points:
        try:
            value = float(point.metric) if point.metric is not None else float("nan")
        except ValueError:
            continue
        if value > best_value:
            best, best_value = point, value
    return best
