"""Records the start, the iterations and the evaluations of a training. Registered in the main rank only."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.hooks import Hook

from training.evaluation.metric import TableMetric
from training.model.metrics import detection_metrics
from training.tracking.events import (
    FinalTestRecord,
    IterationRecord,
    ScoredDocument,
    StartRecord,
    ValidationRecord,
    now,
)
from training.tracking.recorder import Recorder
from training.train.hooks.readings import learning_rate_of

MAX_DOCUMENTS = 12  # of the worst, in the record of the test
MAX_ITERATIONS = 2000  # about how many of a training's iterations are recorded, which bounds the size of its log


class MetricsHook(Hook):
    """Runs before the learning-rate schedule steps, so that it records the learning rate that the iteration used."""

    priority = "NORMAL"

    def __init__(
        self,
        recorder: Recorder,
        *,
        classes: tuple[str, ...],
        training_id: str,
        attempt: int,
        dataset_digest: str,
        resumed_from: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resumed_from`: the URI of the checkpoint that this attempt resumes from."""
        self.iteration = 0  # complete iterations
        self._recorder = recorder
        self._classes = classes
        self._training_id = training_id
        self._attempt = attempt
        self._dataset_digest = dataset_digest
        self._resumed_from = resumed_from
        self._clock = clock
        self._ended_s = 0.0  # when the last iteration ended
        self._begun_s = 0.0  # when this one had its images

    def before_train(self, runner: Any) -> None:
        self.iteration = runner.iter
        self._recorder.write(
            StartRecord(
                time=now(),
                training_id=self._training_id,
                attempt=self._attempt,
                dataset_digest=self._dataset_digest,
                resumed_from=self._resumed_from,
                epoch=runner.epoch,
                iteration=runner.iter,
                total_epochs=runner.max_epochs,
                iterations_per_epoch=len(runner.train_dataloader),
                device=torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
            )
        )

    def before_train_epoch(self, runner: Any) -> None:
        self._ended_s = self._clock()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self._begun_s = self._clock()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        now_s = self._clock()
        seconds, data_seconds = now_s - self._ended_s, self._begun_s - self._ended_s
        self._ended_s = now_s
        self.iteration = runner.iter + 1  # mmengine increments `iter` after the hooks
        every = math.ceil(runner.max_iters / MAX_ITERATIONS)
        if self.iteration % every and batch_idx + 1 < len(runner.train_dataloader):
            return
        values = {name: _number(value) for name, value in (outputs or {}).items()}
        has_gpu = torch.cuda.is_available()
        self._recorder.write(
            IterationRecord(
                time=now(),
                epoch=runner.epoch + 1,
                iteration=self.iteration,
                loss=values.pop("loss", None),
                losses=values,
                learning_rate=_number(learning_rate_of(runner)),
                seconds=round(seconds, 4),
                data_seconds=round(data_seconds, 4),
                gpu_memory_bytes=torch.cuda.max_memory_allocated() if has_gpu else None,
            )
        )

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        found = detection_metrics(metrics or {}, self._classes)
        self._recorder.write(
            ValidationRecord(time=now(), epoch=runner.epoch, iteration=runner.iter, metrics=found),
        )

    def after_test_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        documents = [
            ScoredDocument(name=score.name, grits_top=score.grits_top, grits_loc=score.grits_loc, tables=score.tables)
            for evaluator in runner.test_evaluator.metrics
            if isinstance(evaluator, TableMetric)
            for score in evaluator.documents.scores[:MAX_DOCUMENTS]
        ]
        found = detection_metrics(metrics or {}, self._classes)
        self._recorder.write(FinalTestRecord(time=now(), metrics=found, documents=tuple(documents)))


def _number(value: Any) -> float | None:
    """The value rounded to six digits, which suffice for a chart; None unless it is a single finite number."""
    try:
        number = float(torch.as_tensor(value).detach())
    except (TypeError, ValueError, RuntimeError):
        return None
    return float(f"{number:.6g}") if math.isfinite(number) else None
