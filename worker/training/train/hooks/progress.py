"""Updates the ProgressReporter after every iteration and validation; the reporter decides when to send a report."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mmengine.hooks import Hook

from training.model.metrics import detection_metrics
from training.progress.report import metric_list
from training.progress.reporter import ProgressReporter

SMOOTHING = 0.1  # weight of the newest iteration in the throughput


class ProgressHook(Hook):
    """Reports progress. `epoch` counts complete epochs: 3 of 20 means that three are done."""

    priority = "LOW"

    def __init__(
        self,
        reporter: ProgressReporter,
        *,
        classes: tuple[str, ...],
        images_per_step: int,
        metrics: Mapping[str, float] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`images_per_step`: images in an iteration, over all ranks. `metrics`: those of the checkpoint, if resumed."""
        self.metrics = dict(metrics)  # of the last validation
        self._reporter = reporter
        self._classes = classes
        self._images_per_step = images_per_step
        self._clock = clock
        self._started_s = 0.0
        self._first_iteration = 0
        self._iteration_started_s = 0.0
        self._seconds_per_iteration = 0.0

    def before_train(self, runner: Any) -> None:
        self._started_s = self._clock()
        self._first_iteration = runner.iter
        self._report(runner, done=runner.iter, urgent=True)

    def before_train_epoch(self, runner: Any) -> None:
        self._iteration_started_s = self._clock()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        now_s = self._clock()
        took_s = now_s - self._iteration_started_s
        self._iteration_started_s = now_s
        smoothing = SMOOTHING if self._seconds_per_iteration else 1.0
        self._seconds_per_iteration += smoothing * (took_s - self._seconds_per_iteration)
        self._report(runner, done=runner.iter + 1)  # mmengine increments `iter` after the hooks

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        self.metrics = detection_metrics(metrics or {}, self._classes)
        self._report(runner, done=runner.iter, urgent=True)

    def _report(self, runner: Any, *, done: int, urgent: bool = False) -> None:
        batches = len(runner.train_dataloader)
        fields: dict[str, Any] = {
            "percent": round(100.0 * done / runner.max_iters, 1),
            "epoch": done // batches,
            "totalEpochs": runner.max_epochs,
            "iteration": done,
            "totalIterations": runner.max_iters,
        }
        if done > self._first_iteration:
            # The average over this attempt, so that it includes the time of validations and checkpoints.
            average_s = (self._clock() - self._started_s) / (done - self._first_iteration)
            fields["etaSeconds"] = round(average_s * (runner.max_iters - done))
        if self._seconds_per_iteration:
            images = self._images_per_step / self._seconds_per_iteration
            fields["throughput"] = f"{images:.2f} img/s"
        if self.metrics:
            fields["metrics"] = metric_list(self.metrics)
        self._reporter.update(urgent=urgent, **fields)
