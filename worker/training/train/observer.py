"""Records a training for people: the log of metrics, TensorBoard, MLflow, the terminal's status line, and the report.

The training only registers the hooks; nothing here can fail it.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from mmengine.hooks import Hook

from training.errors import Interrupted, describe_failure
from training.model.bundle import ModelWarning
from training.model.worst_pages import JudgedPage
from training.process.run_identity import attempt_from_env
from training.progress.reporter import ProgressReporter
from training.reports.training_report import PageContent, TrainingFacts, training_html
from training.reports.worst_pages import draw_judged
from training.tracking.archive import FOLDER, MetricsArchive, log_key
from training.tracking.events import CheckpointRecord, EndRecord, now
from training.tracking.history import RUNNING, History
from training.tracking.mlflow import MlflowRun
from training.tracking.mlflow_server import MlflowServer
from training.tracking.recorder import MetricsFile, Recorder, Sink
from training.tracking.tensorboard import TensorBoardEvents
from training.tracking.terminal import StatusLine
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.store import CheckpointStore
from training.train.hooks.metrics import MetricsHook
from training.train.hooks.terminal import TerminalHook
from training.train.hooks.worst_pages import WorstPagesHook
from training.train.plan import TrainingPlan

logger = logging.getLogger(__name__)
REPORT_NAME = "report.html"
END_PATIENCE_S = 60.0  # to store the last report of a training that succeeded
STOP_PATIENCE_S = 10.0  # the same for one that failed or was interrupted, and must soon leave its machine


class Observer:
    """Observes a training from the call of `hooks` to the end of the `with` block; without that call, nothing."""

    def __init__(self, plan: TrainingPlan, *, is_main: bool) -> None:
        self._plan = plan
        self._is_main = is_main
        self._recorder = Recorder([])
        self._archive: MetricsArchive | None = None
        self._metrics: MetricsHook | None = None
        self._line: StatusLine | None = None
        self._reporter: ProgressReporter | None = None
        self._facts = TrainingFacts(name=_name(plan), classes=plan.dataset.facts.classes, settings={})
        self._training_id = ""
        self._committed: set[str] = set()
        self._pages: tuple[str, Sequence[JudgedPage]] = ("", ())
        self._model: str | None = None
        self._warnings: Sequence[str] = ()

    def hooks(
        self,
        reporter: ProgressReporter,
        *,
        training_id: str,
        resumed_from: str | None,
        images_per_step: int,
        versions: Mapping[str, str],
    ) -> list[Hook]:
        """The mmengine hooks to register in every rank. `resumed_from`: URI of the checkpoint that is resumed."""
        pages = WorstPagesHook(self._plan.dataset.annotation_files, self._remember_pages)
        if not self._is_main:
            return [pages]
        self._reporter = reporter
        self._training_id = training_id
        attempt = attempt_from_env()
        settings = _settings(self._plan, training_id, images_per_step, versions)
        self._facts = TrainingFacts(name=_name(self._plan), classes=self._facts.classes, settings=settings)
        self._archive = MetricsArchive(
            self._plan.checkpoints,
            key=log_key(datetime.now(UTC), training_id, attempt),
            training_id=training_id,
            on_upload=self._publish_report,
        )
        self._recorder = Recorder([*self._sinks(training_id, settings), self._archive])
        self._metrics = MetricsHook(
            self._recorder,
            classes=tuple(self._facts.classes),
            training_id=training_id,
            attempt=attempt,
            dataset_digest=self._plan.dataset.digest,
            resumed_from=resumed_from,
            device=self._plan.device,
        )
        hooks: list[Hook] = [pages, self._metrics]
        if sys.stderr.isatty():
            self._line = StatusLine(sys.stderr)
            hooks.append(TerminalHook(reporter, self._line))
        return hooks

    def checkpoints_changed(self, store: CheckpointStore, kept: Sequence[Checkpoint]) -> None:
        """Record the last of `kept`, the committed checkpoints that are kept, the newest last; from any thread."""
        newest = kept[-1]
        if self._is_main and newest.key not in self._committed:
            self._committed.add(newest.key)
            self._recorder.write(
                CheckpointRecord(
                    time=newest.time or now(), epoch=newest.epoch, iteration=newest.iteration, uri=store.uri(newest)
                )
            )

    def published(self, uri: str, warnings: Sequence[ModelWarning]) -> None:
        """The model was published at `uri`: from now on the report is also stored beside it."""
        self._warnings = [warning.message for warning in warnings]
        self._model = uri

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._line is not None:
            self._line.end()
        if self._metrics is None or self._archive is None:
            return
        self._recorder.write(_end(error, self._metrics.iteration))
        self._archive.patience_s = STOP_PATIENCE_S if error is not None else END_PATIENCE_S
        self._recorder.close()

    def _sinks(self, training_id: str, settings: Mapping[str, object]) -> list[Sink]:
        folder = self._plan.work_dir / "logs"
        makers: list[tuple[str, Callable[[], Sink]]] = [
            ("metrics.jsonl", lambda: MetricsFile(folder / "metrics.jsonl")),
            ("TensorBoard", lambda: TensorBoardEvents(folder / "tensorboard" / training_id)),
        ]
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
        if uri:
            makers.append(
                (
                    "MLflow",
                    lambda: MlflowRun(
                        MlflowServer(uri, training_id=training_id, name=self._facts.name, parameters=settings)
                    ),
                )
            )
        sinks = []
        for name, make in makers:
            try:
                sinks.append(make())
            except Exception as error:  # noqa: BLE001  no failure of a library or a disk may fail the training
                logger.warning("no metrics for %s: %s: %s", name, type(error).__name__, error)
        return sinks

    def _remember_pages(self, split: str, pages: Sequence[JudgedPage]) -> None:
        self._pages = split, pages

    def _publish_report(self, history: History) -> None:
        """Write the report. Called in the archive's thread; raises the storages' errors."""
        split, pages = self._pages
        content = PageContent(
            facts=self._facts,
            history=history,
            model=self._model,
            warnings=self._warnings,
            split=split,
            pictures=[
                (page, draw_judged(self._plan.dataset.image_folders[split] / page.file_name, page)) for page in pages
            ],
        )
        page = "".join(training_html(content)).encode("utf-8", errors="backslashreplace")
        self._plan.checkpoints.write_bytes(REPORT_NAME, page)
        if self._reporter is not None:
            self._reporter.update(report=self._plan.checkpoints.uri(REPORT_NAME))
        if self._model is not None:
            destination = self._plan.destination
            destination.storage.write_bytes(destination.report_key, page)
        if history.attempts[-1].result != RUNNING:
            self._store_events()

    def _store_events(self) -> None:
        folder = self._plan.work_dir / "logs" / "tensorboard" / self._training_id
        for path in sorted(folder.glob("events.*")):
            key = f"{FOLDER}tensorboard/{self._training_id}/{path.name}"
            self._plan.checkpoints.write_bytes(key, path.read_bytes())


def _end(error: BaseException | None, iteration: int) -> EndRecord:
    if error is None:
        return EndRecord(time=now(), result="succeeded", iteration=iteration, exit_code=0)
    failure = describe_failure(error)
    return EndRecord(
        time=now(),
        result="interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed",
        iteration=iteration,
        exit_code=failure.exit_code,
        reason=failure.reason,
        message=failure.message,
    )


def _name(plan: TrainingPlan) -> str:
    run = plan.run
    return f"{run.namespace}/{run.name}" if run.name else plan.destination.key


def _settings(
    plan: TrainingPlan, training_id: str, images_per_step: int, versions: Mapping[str, str]
) -> dict[str, object]:
    images = plan.dataset.facts.images
    shown: dict[str, Any] = {
        "config": plan.config_file.name,
        "options": " ".join(plan.config_options),
        "base weights": plan.load_from,
        "dataset": plan.dataset.digest,
        "pages": ", ".join(f"{split} {number:,}" for split, number in images.items()),
        "classes": ", ".join(plan.dataset.facts.classes),
        "device": str(plan.device),
        "images per step": images_per_step,
        "seed": plan.seed,
        "publishes": f"the {plan.publish} weights",
        "demo": "yes" if plan.demo else None,
        "checkpoints": plan.checkpoints.uri(),
        "training": training_id,
        "image": plan.run.image,
        **versions,
    }
    return {name: value for name, value in shown.items() if value not in (None, "")}
