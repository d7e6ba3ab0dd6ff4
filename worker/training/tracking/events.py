"""The records of a training's log, one JSON object per line (docs/architecture.md, "The log of a training"). Pure.

An attempt is one process's work on a training: an interrupted training has several, each with a log of its own. All
times are ISO 8601 in UTC. `epoch` is the current epoch, counted from 1, in an iteration's record, and the number of
complete epochs in all others; `iteration` is the number of complete iterations over all epochs. NaN and infinity are
written as null.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from training.camel_model import CamelModel


class _Record(CamelModel):
    time: str


class StartRecord(_Record):
    """An attempt begins after `iteration`, which is 0 or the iteration of the checkpoint `resumed_from` (a URI)."""

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
    """An iteration was done. `seconds` is its whole time, `data_seconds` the part spent waiting for its images."""

    kind: Literal["iteration"] = "iteration"
    epoch: int
    iteration: int
    loss: float | None
    losses: dict[str, float | None]  # the parts of `loss`, by name
    learning_rate: float | None
    seconds: float
    data_seconds: float
    gpu_memory_bytes: int | None = None  # the peak so far


class ValidationRecord(_Record):
    """The metrics of a validation."""

    kind: Literal["validation"] = "validation"
    epoch: int
    iteration: int
    metrics: dict[str, float]


class ScoredDocument(CamelModel):
    """How well the `tables` labelled tables of a document were found; both figures are within 0..1."""

    name: str
    grits_top: float
    grits_loc: float
    tables: int


class FinalTestRecord(_Record):
    """The metrics of the finished model on the test split, and the documents with the worst grids, the worst first."""

    kind: Literal["test"] = "test"
    metrics: dict[str, float]
    documents: tuple[ScoredDocument, ...] = ()


class CheckpointRecord(_Record):
    """A checkpoint was committed."""

    kind: Literal["checkpoint"] = "checkpoint"
    epoch: int
    iteration: int
    uri: str


class EndRecord(_Record):
    """The attempt ends. Exit codes and reasons are those of docs/architecture.md."""

    kind: Literal["end"] = "end"
    result: Literal["succeeded", "interrupted", "failed"]
    iteration: int
    exit_code: int
    reason: str = ""
    message: str = ""


Record = StartRecord | IterationRecord | ValidationRecord | FinalTestRecord | CheckpointRecord | EndRecord
_PARSER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def encode(record: Record) -> bytes:
    """The record as a line of the log, with its line feed."""
    return record.model_dump_json(by_alias=True).encode() + b"\n"


def parse(content: bytes) -> Iterator[Record]:
    """The records of a log. Invalid lines are skipped: a killed process may leave half a line at the end."""
    for line in content.splitlines():
        try:
            yield _PARSER.validate_json(line)
        except ValidationError:
            continue


def now() -> str:
    """The current time in the form of a record's `time`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def scalars(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers of a record to plot, by names that TensorBoard and MLflow group by the part before the slash."""
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
    """The record's iteration; None for the final test."""
    return None if isinstance(record, FinalTestRecord) else record.iteration
