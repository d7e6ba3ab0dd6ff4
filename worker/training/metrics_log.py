"""What a training tells of itself, one JSON a line, and the history that the logs of all its attempts make. Pure.

An attempt is one process's work on a training: an interrupted training has several, each with a log of its own. All
times are ISO 8601 in UTC. `epoch` counts from 1 in what happens within an epoch, and complete epochs elsewhere;
`iteration` counts complete iterations over all epochs. A number that is none (NaN, infinite) is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

RUNNING, LOST = "running", "lost"  # of an attempt that has not told its end: the last one, or one that was killed


class _Record(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    time: str


class StartRecord(_Record):
    """An attempt begins, after `iteration`: 0, or that of the checkpoint `resumed_from`."""

    kind: Literal["start"] = "start"
    training_id: str
    attempt: int
    dataset_digest: str
    resumed_from: str | None
    epoch: int
    iteration: int
    total_epochs: int
    iterations_per_epoch: int
    device: str


class IterationRecord(_Record):
    """One iteration. `seconds` is all of it, `data_seconds` the wait for its images."""

    kind: Literal["iteration"] = "iteration"
    epoch: int
    iteration: int
    loss: float | None
    losses: dict[str, float | None]  # the parts of it
    learning_rate: float | None
    seconds: float
    data_seconds: float
    gpu_memory_bytes: int | None = None  # the most so far


class ValidationRecord(_Record):
    """What a validation said, after so many complete epochs."""

    kind: Literal["validation"] = "validation"
    epoch: int
    iteration: int
    metrics: dict[str, float]


class FinalTestRecord(_Record):
    """What the test of the finished model said."""

    kind: Literal["test"] = "test"
    metrics: dict[str, float]


class CheckpointRecord(_Record):
    """A checkpoint is committed."""

    kind: Literal["checkpoint"] = "checkpoint"
    epoch: int
    iteration: int
    uri: str


class EndRecord(_Record):
    """The attempt ends; `reason` is of docs/architecture.md, as is the exit code."""

    kind: Literal["end"] = "end"
    result: Literal["succeeded", "interrupted", "failed"]
    iteration: int
    exit_code: int
    reason: str = ""
    message: str = ""


Record = StartRecord | IterationRecord | ValidationRecord | FinalTestRecord | CheckpointRecord | EndRecord
_PARSER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def encode(record: Record) -> bytes:
    """The record's line, with its end."""
    return record.model_dump_json(by_alias=True).encode() + b"\n"


def parse(content: bytes) -> Iterator[Record]:
    """The records of a log. A line that is none is passed over: the last one of a process that was killed is cut."""
    for line in content.splitlines():
        try:
            yield _PARSER.validate_json(line)
        except ValidationError:
            continue


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One process's work, `number` counted from 1 over the training. `result` is that of its end, RUNNING or LOST."""

    number: int
    start: StartRecord
    last_iteration: int
    last_time: str
    result: str
    reason: str = ""
    message: str = ""

    @property
    def seconds(self) -> float:
        """From its start to the last that is known of it; 0 where the times cannot be read."""
        try:
            took = datetime.fromisoformat(self.last_time) - datetime.fromisoformat(self.start.time)
        except (ValueError, TypeError):
            return 0.0
        return max(0.0, took.total_seconds())


@dataclass(frozen=True, kw_only=True)
class History:
    """All that is known of a training, each in the order of its iterations."""

    attempts: Sequence[Attempt] = ()
    iterations: Sequence[IterationRecord] = ()
    validations: Sequence[ValidationRecord] = ()
    checkpoints: Sequence[CheckpointRecord] = ()
    test: Mapping[str, float] = field(default_factory=dict)

    @property
    def iterations_per_epoch(self) -> int:
        return self.attempts[-1].start.iterations_per_epoch if self.attempts else 1


def merge(logs: Iterable[Sequence[Record]]) -> History:
    """The history of one training from the logs of its attempts, in any order.

    Where an iteration, a validation or a checkpoint was repeated, because an attempt was killed after it, the attempt
    that started later counts. A log without a start is left out.
    """
    started = [(record, log) for log in logs for record in log if isinstance(record, StartRecord)]
    started.sort(key=lambda item: (item[0].time, item[0].attempt))
    attempts: list[Attempt] = []
    iterations: dict[int, IterationRecord] = {}
    validations: dict[int, ValidationRecord] = {}
    checkpoints: dict[int, CheckpointRecord] = {}
    test: Mapping[str, float] = {}
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
                test = record.metrics
    return History(
        attempts=attempts,
        iterations=[iterations[key] for key in sorted(iterations)],
        validations=[validations[key] for key in sorted(validations)],
        checkpoints=[checkpoints[key] for key in sorted(checkpoints)],
        test=test,
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
