"""The progress of a stage that several pods share, from what each of them reports of its own share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from trainingrun_operator.core.progress.report import MAX_THROUGHPUT, Report, Shard
from trainingrun_operator.core.resource.status import Progress, Stage

_RATE = re.compile(r"(\d+(?:\.\d+)?) (\S+)")


@dataclass(frozen=True, kw_only=True)
class ShardReports:
    """The newest report of each shard of one attempt, and of which pod it is."""

    stage: Stage
    attempt: int
    of: int
    # The stage's percent as last written: an operator that was started anew has not heard of every shard again.
    floor: float = 0.0
    newest: Mapping[int, tuple[str, Report]] = field(default_factory=dict)

    @classmethod
    def begun(cls, report: Report, shard: Shard, written: Progress | None) -> ShardReports:
        """For the attempt of a report, of which nothing was heard yet, or not since the operator's start."""
        same = written is not None and (written.stage, written.attempt) == (report.stage, report.attempt)
        floor = float(written.percent or 0) if written is not None and same else 0.0
        return cls(stage=report.stage, attempt=report.attempt, of=shard.of, floor=floor)

    def are_of(self, report: Report, shard: Shard) -> bool:
        """Whether they are of the report's attempt."""
        return (self.stage, self.attempt, self.of) == (report.stage, report.attempt, shard.of)

    def take(self, report: Report, shard: Shard, pod_uid: str, *, from_newest_pod: bool) -> ShardReports | None:
        """With that report; None where a newer one of its shard is known.

        Args:
            from_newest_pod: whether the pod is the newest of its shard. A pod counts from the start, so between pods of
                a shard the newest one wins.
        """
        known_pod, known = self.newest.get(shard.index, (pod_uid, None))
        newer = from_newest_pod if known_pod != pod_uid else known is None or report.sequence > known.sequence
        return replace(self, newest={**self.newest, shard.index: (pod_uid, report)}) if newer else None

    def whole(self, completed: Collection[int]) -> Report:
        """The report of the whole stage. A shard that is not heard of has done nothing, unless it is completed.

        Args:
            completed: shards whose pod has succeeded.
        """
        reports = {index: report for index, (_, report) in self.newest.items()}
        done = {index for index in range(self.of) if index in completed or (index in reports and reports[index].final)}
        at_work = [report for index, report in reports.items() if index not in done]
        shares = [100.0 if index in completed else _percent(reports.get(index)) for index in range(self.of)]
        percent = sum(shares) / self.of
        if not done.union(reports).issuperset(range(self.of)):
            percent = max(percent, self.floor)
        return Report(
            attempt=self.attempt,
            sequence=max((report.sequence for report in reports.values()), default=0),
            stage=self.stage,
            percent=percent,
            eta_seconds=max((report.eta_seconds for report in at_work if report.eta_seconds is not None), default=None),
            throughput=total_throughput(report.throughput for report in at_work),
            final=len(done) == self.of,
        )


def total_throughput(texts: Iterable[str | None]) -> str | None:
    """The sum of figures like `12.3 pages/s`; None where none can be read, or where they differ in unit."""
    rates = [match.groups() for text in texts if text and (match := _RATE.fullmatch(text))]
    units = {unit for _, unit in rates}
    if len(units) != 1:
        return None
    total = f"{sum(float(number) for number, _ in rates):.1f} {units.pop()}"
    return total if len(total) <= MAX_THROUGHPUT else None


def _percent(report: Report | None) -> float:
    return 0.0 if report is None or report.percent is None else report.percent
