"""A worker's report, as the contract "A progress report" of docs/architecture.md has it.

Fields that are not listed here are never taken, so a newer worker can talk to an older operator.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from trainingrun_operator.core.progress.words import read_words
from trainingrun_operator.core.resource.base import Model
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import BaseWeights, Device, Metric, ResumePoint, Stage

STAGE_ORDER = (Stage.PREPROCESS, Stage.TRAIN)
MAX_SHARDS = 64
MAX_THROUGHPUT = 32
# Any report of a pod comes before the pod's termination message.
FINAL_SEQUENCE = 2**53 - 1


def _no_stage_beyond_train(stage: Stage) -> Stage:
    if stage not in STAGE_ORDER:
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
    # Of a training, from its first report on.
    device: Device | None = None
    base_weights: BaseWeights | None = None
    # Of a pod that does a share of the stage: the other figures are of that share alone.
    shard: Shard | None = None
    final: bool = False


def read_report(raw: bytes | str) -> Report:
    """A report as a worker sends it.

    Raises:
        ValueError: it is no report (pydantic's ValidationError is one).
    """
    return report_of(read_words(raw))


def report_of(data: object) -> Report:
    """A report from JSON data whose texts are printable.

    Raises:
        ValueError: it is no report.
    """
    # By way of JSON, whose lists and words a strict model takes for tuples and stages.
    return Report.model_validate_json(to_json(data))


def final_report(run: Run, stage: Stage, attempt: int, last: Report | None) -> Report:
    """The final report of a stage that succeeded: everything is done, whatever the last report so far has."""
    base = last or Report(attempt=attempt, sequence=0, stage=stage)
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
