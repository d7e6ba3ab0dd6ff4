"""The hooks that tell of a training: what they record when, and what a terminal shows."""

import io
import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.support.train.records import Kept
from training.evaluation.documents import DocumentScore, DocumentScores
from training.evaluation.metric import TableMetric
from training.progress.reporter import ProgressReporter
from training.progress.senders import NullSender
from training.tracking.events import FinalTestRecord, IterationRecord, ScoredDocument, StartRecord
from training.tracking.recorder import Recorder
from training.tracking.terminal import CLEAR, StatusLine, status_text
from training.train.hooks.metrics import MAX_DOCUMENTS, MAX_ITERATIONS, MetricsHook
from training.train.hooks.terminal import TerminalHook

PER_EPOCH = 4


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def runner(*, epochs: int = 5, per_epoch: int = PER_EPOCH, iteration: int = 0) -> Any:
    return SimpleNamespace(
        iter=iteration,
        epoch=iteration // per_epoch,
        max_epochs=epochs,
        max_iters=epochs * per_epoch,
        train_dataloader=range(per_epoch),
        optim_wrapper=SimpleNamespace(get_lr=lambda: {"base_lr": [], "lr": [0.02, 0.1], "momentum": [0.9]}),
        logger=logging.getLogger("of-mmengine"),
        test_evaluator=SimpleNamespace(metrics=[object()]),
    )


def metrics_hook(kept: Kept, clock: Clock) -> MetricsHook:
    return MetricsHook(
        Recorder([kept]),
        classes=("table",),
        training_id="abc",
        attempt=2,
        dataset_digest="sha256:1",
        resumed_from="iteration_5.pth",
        clock=clock,
    )


def run_epoch(hook: MetricsHook, state: Any, clock: Clock, outputs: dict[str, Any]) -> None:
    hook.before_train_epoch(state)
    for index in range(state.iter % len(state.train_dataloader), len(state.train_dataloader)):
        clock.now_s += 0.25
        hook.before_train_iter(state, index)
        clock.now_s += 1.0
        hook.after_train_iter(state, index, outputs=outputs)
        state.iter += 1
    state.epoch += 1


def test_every_iteration_is_told_of_with_its_parts_and_times() -> None:
    kept, clock, state = Kept(), Clock(), runner(iteration=5)
    hook = metrics_hook(kept, clock)
    hook.before_train(state)
    parts = {"loss_cls": torch.tensor(float("nan")), "acc": 93, "several": [1, 2], "text": "x"}
    run_epoch(hook, state, clock, {"loss": torch.tensor(1.23456789), **parts})
    hook.after_val_epoch(state, {"coco/bbox_mAP": 0.5, "coco/table_precision": 0.25})
    hook.after_test_epoch(state, {})
    first, *iterations, validated, tested = kept.records
    assert isinstance(first, StartRecord)
    assert (first.iteration, first.epoch, first.iterations_per_epoch, first.total_epochs) == (5, 1, PER_EPOCH, 5)
    assert (first.resumed_from, first.attempt) == ("iteration_5.pth", 2)
    assert [(item.epoch, item.iteration) for item in iterations if isinstance(item, IterationRecord)] == [
        (2, 6),
        (2, 7),
        (2, 8),
    ]
    seen = iterations[-1]
    assert isinstance(seen, IterationRecord)
    assert (seen.loss, seen.learning_rate) == (1.23457, 0.02)
    assert seen.losses == {"loss_cls": None, "acc": 93.0, "several": None, "text": None}
    assert (seen.seconds, seen.data_seconds) == (1.25, 0.25)
    assert validated.model_dump(exclude={"time"}) == {
        "kind": "validation",
        "epoch": 2,
        "iteration": 8,
        "metrics": {"bbox_mAP": 0.5, "table_mAP": 0.25},
    }
    assert tested.kind == "test"
    assert hook.iteration == 8


def test_the_test_names_the_documents_with_the_worst_grids() -> None:
    kept, state = Kept(), runner()
    evaluator = TableMetric("test.json", grids=True)
    scores = [DocumentScore(name=f"d{n}", grits_top=n / 20, grits_loc=n / 40, tables=n) for n in range(20)]
    evaluator.documents = DocumentScores(scores=scores)
    state.test_evaluator.metrics.append(evaluator)
    metrics_hook(kept, Clock()).after_test_epoch(state, {"coco/bbox_mAP": 0.5, "coco/grits_top": 0.25})
    (tested,) = kept.records
    assert isinstance(tested, FinalTestRecord)
    assert tested.metrics == {"bbox_mAP": 0.5, "grits_top": 0.25}
    assert len(tested.documents) == MAX_DOCUMENTS
    assert tested.documents[1] == ScoredDocument(name="d1", grits_top=0.05, grits_loc=0.025, tables=1)


def test_of_a_long_training_every_so_manyth_iteration_is_told_and_the_last_of_an_epoch() -> None:
    kept, clock, state = Kept(), Clock(), runner(epochs=10, per_epoch=1007)
    hook = metrics_hook(kept, clock)
    for _ in range(2):
        run_epoch(hook, state, clock, {"loss": torch.tensor(1.0)})
    numbers = [item.iteration for item in kept.records if isinstance(item, IterationRecord)]
    assert numbers[:3] == [6, 12, 18]
    assert {1007, 2014} <= set(numbers)
    assert len(numbers) * 5 <= MAX_ITERATIONS


def test_the_status_says_the_running_epoch_and_iteration() -> None:
    state = {"iteration": 2 * 74 + 41, "totalEpochs": 20, "throughput": "3.40 img/s", "etaSeconds": 4320}
    assert status_text(state, loss=1.23456, learning_rate=0.0012, per_epoch=74) == (
        "epoch 3/20  iteration 41/74  loss 1.235  lr 0.0012  3.40 img/s  1 h 12 min left"
    )
    end = status_text({"iteration": 148, "totalEpochs": 2}, loss=1.0, learning_rate=None, per_epoch=74)
    assert end == "epoch 2/2  iteration 74/74  loss 1"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_and_log_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal, clock, state = Terminal(), Clock(), runner(iteration=0)
    handler = logging.StreamHandler(terminal)
    file = logging.StreamHandler(io.StringIO())
    state.logger.setLevel(logging.INFO)
    state.logger.handlers, state.logger.propagate = [handler, file], False
    line = StatusLine(terminal)
    with ProgressReporter(NullSender(), stage="train") as reporter:
        hook = TerminalHook(reporter, line, clock=clock)
        hook.before_train(state)
        reporter.update(iteration=1, totalEpochs=5)
        hook.after_train_iter(state, 0, outputs={"loss": torch.tensor(2.0)})
        hook.after_train_iter(state, 1, outputs={"loss": torch.tensor(3.0)})  # too soon to be seen
        state.logger.info("checkpoint stored")
        state.logger.info("Epoch(train) [1][1/4] loss: 2")
        clock.now_s = 1.0
        hook.after_train_iter(state, 2, outputs={"loss": torch.tensor(4.0)})
        hook.after_train(state)
    drawn = "epoch 1/5  iteration 1/4  loss 2  lr 0.0"
    assert terminal.getvalue() == (
        f"{CLEAR}{drawn[:39]}{CLEAR}checkpoint stored\n{CLEAR}{drawn.replace('loss 2', 'loss 4')[:39]}{CLEAR}"
    )
    assert "Epoch(train)" in file.stream.getvalue()
    assert handler.filters == []
