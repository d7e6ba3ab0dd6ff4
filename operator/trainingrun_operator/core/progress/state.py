"""The status fields of progress: which reports are taken, what becomes of them, how often they are written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from trainingrun_operator.core.progress.report import STAGE_ORDER, Report
from trainingrun_operator.core.resource.status import Progress, ResumePoint, Stage, Status

MAX_RESUME_POINTS = 5
# Of the 16 KiB that the whole status may have.
MAX_STATE_BYTES = 3840


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
    order = (STAGE_ORDER.index(report.stage), report.attempt)
    last_order = (STAGE_ORDER.index(last.stage), last.attempt)
    if order != last_order:
        return order > last_order
    if last.pod_uid is not None and last.pod_uid != pod_uid:
        return from_newest_pod
    return report.sequence > last.sequence


def advance(state: ProgressState, report: Report, pod_uid: str | None, now: datetime) -> ProgressState:
    """The status fields after a report, which no single pod made where several share the stage.

    Reports are cumulative: it replaces all before it.

    A report without resume points leaves the known ones: a new attempt reports before it has looked for checkpoints.
    For the same reason one without any figure leaves those of the stage: the pod does not know yet where it stands.
    """
    points = _newest_first(report.resume_points) or state.resume_points
    if report.final and len(points) < len(state.resume_points):
        # A termination message has little room, and its writer leaves out old checkpoints first.
        points = _newest_first((*state.resume_points, *points))
    eta_seconds = None if report.final or report.eta_seconds is None else int(report.eta_seconds)
    report = _with_figures_of(state.progress, report)
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
            device=report.device,
            base_weights=report.base_weights,
            last_update_time=now.replace(microsecond=0),
        ),
        resume_points=points,
        best_checkpoint=_best((*((state.best_checkpoint,) if state.best_checkpoint else ()), *points[::-1])),
    )
    return _fitted(advanced)


def _with_figures_of(last: Progress | None, report: Report) -> Report:
    if last is None or last.stage is not report.stage or report.percent is not None or report.epoch is not None:
        return report
    figures = ("percent", "epoch", "total_epochs", "iteration", "total_iterations", "metrics", "device", "base_weights")
    return report.model_copy(update={name: getattr(report, name) or getattr(last, name) for name in figures})


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
