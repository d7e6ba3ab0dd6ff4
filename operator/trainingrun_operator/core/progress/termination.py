"""Reads a worker's termination message, the final report of a pod.

The format is the contract "The termination message" of docs/architecture.md.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator

from trainingrun_operator.core.progress.report import Report, report_of
from trainingrun_operator.core.progress.words import read_words
from trainingrun_operator.core.resource.base import Model
from trainingrun_operator.core.resource.status import PublishedDataset, PublishedModel, Stage

# Of the metrics on the test split, those that the status shows; the model's manifest has them all.
SHOWN_METRICS = ("bbox_mAP", "bbox_mAP_50", "table_mAP_50", "table_precision_50", "table_recall_50", "grits_top")


class ModelWarning(Model):
    """What the user of a published model should know: it detects nothing, an earlier epoch was better."""

    reason: str = Field(pattern="^[A-Za-z]+$", max_length=64)
    message: str = Field(min_length=1)


class TrainedModel(PublishedModel):
    """`model` of a train termination message."""

    # The training's page for people. Where it could not be written, the model is there all the same.
    report: str | None = Field(None, min_length=1, max_length=700)
    # They are told of, and hold no success up: what can't be read is left out.
    warnings: tuple[ModelWarning, ...] = ()

    @field_validator("warnings", mode="before")
    @classmethod
    def _drop_unreadable_warnings(cls, value: Any) -> list[ModelWarning]:
        return [warning for each in value[:4] if (warning := _read_warning(each))] if isinstance(value, list) else []

    def shown(self) -> PublishedModel:
        """What the status says of it."""
        by_name = {metric.name: metric for metric in self.metrics}
        metrics = tuple(by_name[name] for name in SHOWN_METRICS if name in by_name)
        return PublishedModel(**{**dict(self), "metrics": metrics})


def _read_warning(value: Any) -> ModelWarning | None:
    try:
        return ModelWarning.model_validate(value)
    except ValidationError:
        return None


class TerminationMessage(Model):
    """A termination message of version 1."""

    version: int
    stage: Stage
    result: str
    dataset: PublishedDataset | None = None
    model: TrainedModel | None = None
    progress: Report | None = None
    exit_code: int | None = None
    reason: str = Field("", max_length=64)
    message: str = ""
    # The page about what a training that failed did until then.
    report: str | None = Field(None, min_length=1, max_length=700)

    @field_validator("progress", mode="before")
    @classmethod
    def _drop_unreadable_progress(cls, value: Any) -> Report | None:
        # A model that was published is not unpublished by a figure that can't be read.
        try:
            return None if value is None else report_of(value)
        except ValueError:
            return None

    def published(self, stage: Stage) -> bool:
        """Whether it says that this stage succeeded, and with what: success without a result is none."""
        if self.result != "succeeded" or self.stage is not stage:
            return False
        return (self.dataset if stage is Stage.PREPROCESS else self.model) is not None


def read_termination_message(text: str) -> TerminationMessage | None:
    """The message, or None where the worker wrote none that can be read (Kubernetes then puts the log's tail there)."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        message = TerminationMessage.model_validate(read_words(text))
    except ValueError:
        return None
    return message if message.version == 1 else None
