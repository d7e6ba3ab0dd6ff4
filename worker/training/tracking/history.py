"""Merges the logs of a training's attempts into its history. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from training.tracking.events import (
    CheckpointRecord,
    EndRecord,
    FinalTestRecord,
    IterationRecord,
    Record,
    ScoredDocument,
    StartRecord,
    ValidationRecord,
)

RUNNING, LOST = "running", "lost"  # results of an attempt without an end record: the last one, and one that was killed


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One process's work on a training; `number` counts its attempts from 1. `result` is that of its EndRecord, or
    RUNNING or LOST.
    """

    number: int
    start: StartRecord
    last_iteration: int
    last_time: str
    result: str
    reason: str = ""
    message: str = ""

    @property
    def seconds(self) -> float:
        """The time from its start to its last record; 0 if one of the two times is invalid."""
        try:
            took = datetime.fromisoformat(self.last_time) - datetime.fromisoformat(self.start.time)
        except (ValueError, TypeError):
            return 0.0
        return max(0.0, took.total_seconds())


@dataclass(frozen=True, kw_only=True)
class History:
    """All that the logs say about a training. Every sequence is in the order of the training."""

    attempts: Sequence[Attempt] = ()
    iterations: Sequence[IterationRecord] = ()
    validations: Sequence[ValidationRecord] = ()
    checkpoints: Sequence[CheckpointRecord] = ()
    test: Mapping[str, float] = field(default_factory=dict)
    documents: Sequence[ScoredDocument] = ()  # those of the test split with the worst grids, the worst first

    @property
    def iterations_per_epoch(self) -> int:
        return self.attempts[-1].start.iterations_per_epoch if self.attempts else 1


def merge(logs: Iterable[Sequence[Record]]) -> History:
    """The history of one training from the logs of its attempts, in any order.

    An iteration, a validation or a checkpoint may occur in several logs, because the attempt that resumed repeated it:
    the attempt that started last counts. A log without a StartRecord is left out.
    """
    started = [(record, log) for log in logs for record in log if isinstance(record, StartRecord)]
    started.sort(key=lambda item: (item[0].time, item[0].attempt))
    attempts: list[Attempt] = []
    iterations: dict[int, IterationRecord] = {}
    validations: dict[int, ValidationRecord] = {}
    checkpoints: dict[int, CheckpointRecord] = {}
    test: Mapping[str, float] = {}
    documents: Sequence[ScoredDocument] = ()
    for number, (start, log) in enumerate(started, 1):
        attempts.append(_attempt(number, start, log, is_last=number == len(started)))
        for record in log:
            if isinstance(record, IterationRecord):
                iterations[record.iteration] = record
            elif isinstance(record, ValidationRecord):
                validations[record.epoch] = record
            elif isinstance(record, CheckpointRecord):
                checkpoints[record.iteration] = record
            elif isinstance(record, FinalTestRecord):
                test, documents = record.metrics, record.documents
    return History(
        attempts=attempts,
        iterations=[iterations[key] for key in sorted(iterations)],
        validations=[validations[key] for key in sorted(validations)],
        checkpoints=[checkpoints[key] for key in sorted(checkpoints)],
        test=test,
        documents=documents,
    )


def _attempt(number: int, start: StartRecord, log: Sequence[Record], *, is_last: bool) -> Attempt:
    end = next((record for record in reversed(log) if isinstance(record, EndRecord)), None)
    reached = [record.iteration for record in log if isinstance(record, IterationRecord | CheckpointRecord | EndRecord)]
    return Attempt(
        number=number,
        start=start,
        last_iteration=max([start.iteration, *reached]),
        last_time=log[-1].time,
        result=end.result if end else RUNNING if is_last else LOST,
        reason=end.reason if end else "",
        message=end.message if end else "",
    )
