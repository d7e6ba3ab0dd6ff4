"""What a training tells of itself, one JSON a line, and the history that the logs of all its attempts make. Pure.

An attempt is one process's work on a training: an interrupted training has several, each with a log of its own. All
times are ISO 8601 in UTC. `epoch` counts from 1 in what happens within an epoch, and complete epochs elsewhere;
`iteration` counts complete iterations over all epochs. A number that is none (NaN, infinite) is null.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from training.camel_model import CamelModel


class _Record(CamelModel):
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


def now() -> str:
    """The time as records have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def scalars(record: Record) -> Iterator[tuple[str, float]]:
    """What there is to draw of a record, under the names that both TensorBoard and MLflow group by their first part."""
    if isinstance(record, IterationRecord):
        found = {
            "train/loss": record.loss,
            **{f"train/{name}": value for name, value in record.losses.items()},
            "train/learning_rate": record.learning_rate,
            "time/iteration_seconds": record.seconds,
            "time/data_seconds": record.data_seconds,
            "time/gpu_memory_bytes": record.gpu_memory_bytes,
        }
        yield from ((name, float(value)) for name, value in found.items() if value is not None)
    elif isinstance(record, ValidationRecord | FinalTestRecord):
        split = "val" if isinstance(record, ValidationRecord) else "test"
        yield from ((f"{split}/{name}", value) for name, value in record.metrics.items())


def step(record: Record) -> int | None:
    """The iteration that the record is about, where it is about one."""
    return None if isinstance(record, FinalTestRecord) else record.iteration
