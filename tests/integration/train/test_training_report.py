"""What people look at of a training: its metrics over two attempts, TensorBoard's events, an MLflow run, the report."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.browser import (
    DESKTOP,
    PHONE,
    Browser,
    Page,
    check_outline,
    forbidden,
    picture_that_fits,
    running_browser,
)
from tests.support.train.mlflow import running_mlflow
from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from tests.support.train.sigterm import sigterm_in_iteration
from training.tracking.events import parse
from training.tracking.history import merge
from training.train import command as train

pytestmark = pytest.mark.integration

EPOCHS = 3
STOP_AT = ITERATIONS_PER_EPOCH + 1


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_config: Path
) -> Iterator[tuple[Place, MlflowClient]]:
    """A training that was stopped within its second epoch, and continued as if on a new machine: its working folder
    was lost, its checkpoints were not.
    """
    place = Place(tmp_path_factory.mktemp("watched"), dataset, tiny_config)
    checkpoints = ("--checkpoint-output", str(place.root / "checkpoints"), "--resume-from", "auto")
    with running_mlflow(place.root / "mlflow") as mlflow, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINING_TERMINATION_LOG", str(place.termination_log))
        patch.setenv("TRAINING_RUN_NAMESPACE", "team")
        patch.setenv("TRAINING_RUN_NAME", "<b>invoices</b>")
        patch.setenv("MLFLOW_TRACKING_URI", mlflow)
        patch.setenv("TRAINING_ATTEMPT", "1")
        with sigterm_in_iteration(STOP_AT):
            assert train.main(place.arguments(*checkpoints, epochs=EPOCHS)) == 143
        (place.root / "work").rename(place.root / "lost")
        time.sleep(1.1)  # attempts are told apart by the second in which they start
        patch.setenv("TRAINING_ATTEMPT", "2")
        assert train.main(place.arguments(*checkpoints, epochs=EPOCHS)) == 0
        yield place, MlflowClient(tracking_uri=mlflow)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser, watched: tuple[Place, MlflowClient]) -> Page:
    return browser.open(watched[0].model.parent / "model.pth.report.html")


def test_people_read_how_it_went_and_where_it_was_interrupted(page: Page, watched: tuple[Place, MlflowClient]) -> None:
    place, _ = watched
    text = page.text()
    assert text.startswith("team/<b>invoices</b>\n\nFinished. The model is " + str(place.model))
    assert f"{EPOCHS}/{EPOCHS}\nepochs" in text
    first, second = re.findall(r"^[12]\t.*$", text, re.MULTILINE)
    assert first.startswith(f"1\tinterrupted SIGTERM ended the training at iteration {STOP_AT}; ")
    assert f"continues it.\t0–{STOP_AT}\t" in first
    assert second.startswith(f"2\tsucceeded\t{STOP_AT}–{EPOCHS * ITERATIONS_PER_EPOCH}\t")
    assert second.endswith("\tCPU")
    digest = place.manifest()["datasetDigest"]
    assert digest in text
    assert "mmdet\n3.3.0" in text


def test_every_chart_shows_both_attempts_and_where_one_continued_the_other(page: Page) -> None:
    charts = page.evaluate(
        "[...document.querySelectorAll('figure')].map(chart => ["
        " chart.querySelector('b').textContent, chart.querySelector('svg').getAttribute('aria-label'),"
        " [...chart.querySelectorAll('.mark')].map(mark => mark.textContent),"
        " chart.querySelectorAll('circle').length ])"
    )
    titles = [title for title, *_ in charts]
    assert titles == ["Loss", "Average precision on val", "By class", "Learning rate", "Seconds per iteration"]
    for _, summary, marks, _ in charts:
        assert "from" in summary
        assert marks == [
            f"Attempt 1 ended (Interrupted) at iteration {STOP_AT}; attempt 2 continued after iteration {STOP_AT}#2"
        ]
    dots = {title: number for title, _, _, number in charts}
    assert dots["Loss"] == EPOCHS * ITERATIONS_PER_EPOCH
    assert dots["Average precision on val"] == 3 * EPOCHS


def test_the_precision_of_each_class_is_that_of_the_manifest(page: Page, watched: tuple[Place, MlflowClient]) -> None:
    metrics = watched[0].manifest()["metrics"]
    text = page.text()
    assert "split\tall\tat .5\tat .75\ttable\tCell\theader\n" in text
    names = ("bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "table_mAP", "Cell_mAP", "header_mAP")
    for split, title in (("test", "test"), ("val", f"val, epoch {EPOCHS}")):
        assert "\t".join([title, *(f"{metrics[split][name]:.3f}" for name in names)]) in text


def test_tables_are_told_of_as_in_the_manifest(page: Page, watched: tuple[Place, MlflowClient]) -> None:
    metrics = watched[0].manifest()["metrics"]["test"]
    text = page.text()
    assert "split\tright at .5\tfound at .5\tright at .75\tfound at .75\tGriTS-Top\tGriTS-Loc\n" in text
    names = ("table_precision_50", "table_recall_50", "table_precision_75", "table_recall_75", "grits_top", "grits_loc")
    assert "\t".join(["test", *(f"{metrics[name]:.3f}" for name in names)]) in text
    assert "The documents with the worst grids" in text


def test_the_worst_pages_of_the_test_are_shown(page: Page) -> None:
    assert "Worst pages of the test split 2" in page.text()
    pictures = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth, image.alt])")
    assert sorted(alt for _, _, alt in pictures) == [f"test{number}_0.jpg with what was detected" for number in (0, 1)]
    assert all(complete and width == 240 for complete, width, _ in pictures)


def test_nothing_failed_to_load_and_no_name_became_markup(page: Page) -> None:
    assert page.problems == []
    assert page.evaluate("document.querySelectorAll('script, b b, h1 b, img:not([src^=\"data:\"])').length") == 0


def test_the_page_forbids_scripts_and_the_network(
    browser: Browser, watched: tuple[Place, MlflowClient], tmp_path: Path
) -> None:
    changed = tmp_path / "report.html"
    foreign = "<script>document.title = 'ran'</script><img src='https://example.org/seen.png'>"
    content = (watched[0].model.parent / "model.pth.report.html").read_text()
    changed.write_text(content.replace("</main>", f"{foreign}</main>"))
    page = browser.open(changed)
    assert page.evaluate("document.title") == "Training team/<b>invoices</b>"
    assert len(forbidden(page)) == 2


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_it_fits_the_window_in_light_and_in_dark(page: Page, tmp_path: Path, width: int, dark: bool) -> None:
    picture_that_fits(page, tmp_path / "report.png", width=width, dark=dark)
    text_px = page.evaluate("document.querySelector('svg text.y').getBoundingClientRect().height")
    assert text_px >= 10  # to be read, also on a phone


def test_it_can_be_read_aloud(page: Page) -> None:
    check_outline(page)
    assert page.evaluate("[...document.querySelectorAll('svg')].every(chart => chart.getAttribute('aria-label'))")
    assert page.evaluate("[...document.querySelectorAll('nav a')].every(link => document.querySelector(link.hash))")


def test_the_same_report_lies_beside_the_checkpoints(watched: tuple[Place, MlflowClient]) -> None:
    place, _ = watched
    report = (place.root / "checkpoints" / "report.html").read_bytes()
    assert report == (place.model.parent / "model.pth.report.html").read_bytes()


def test_the_logs_of_both_attempts_are_kept_and_make_one_training(watched: tuple[Place, MlflowClient]) -> None:
    place, _ = watched
    paths = sorted((place.root / "checkpoints" / "logs").glob("*.jsonl"))
    training_id = json.loads((place.root / "checkpoints" / f"epoch_{EPOCHS}.json").read_bytes())["trainingId"]
    endings = [path.name.split("-", 1)[1] for path in paths]
    assert endings == [f"{training_id}-1.jsonl", f"{training_id}-2.jsonl"]
    history = merge(list(parse(path.read_bytes())) for path in paths)
    assert [record.iteration for record in history.iterations] == list(range(1, EPOCHS * ITERATIONS_PER_EPOCH + 1))
    assert [record.epoch for record in history.validations] == list(range(1, EPOCHS + 1))
    assert dict(history.validations[-1].metrics) == place.manifest()["metrics"]["val"]
    assert dict(history.test) == place.manifest()["metrics"]["test"]
    assert [(item.result, item.start.resumed_from is not None) for item in history.attempts] == [
        ("interrupted", False),
        ("succeeded", True),
    ]
    assert {STOP_AT, EPOCHS * ITERATIONS_PER_EPOCH} <= {record.iteration for record in history.checkpoints}
    assert {"loss_rpn_cls", "s0.loss_cls"} <= set(history.iterations[0].losses)
    # And each working folder has what happened on its machine.
    for folder, path in zip(("lost", "work"), paths, strict=True):
        assert (place.root / folder / "logs" / "metrics.jsonl").read_bytes() == path.read_bytes()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_both_attempts_from_beside_the_checkpoints(watched: tuple[Place, MlflowClient]) -> None:
    (folder,) = (watched[0].root / "checkpoints" / "logs" / "tensorboard").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    steps = [event.step for event in events.Scalars("train/loss")]
    assert steps == list(range(1, EPOCHS * ITERATIONS_PER_EPOCH + 1))
    assert [event.step for event in events.Scalars("val/bbox_mAP")] == [
        epoch * ITERATIONS_PER_EPOCH for epoch in range(1, EPOCHS + 1)
    ]
    assert "test/table_mAP" in events.Tags()["scalars"]


def test_mlflow_has_one_run_of_both_attempts(watched: tuple[Place, MlflowClient]) -> None:
    place, client = watched
    experiment = client.get_experiment_by_name("table-detector")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("team/<b>invoices</b>", "FINISHED")
    assert run.data.params["dataset"] == place.manifest()["datasetDigest"]
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted(point.step for point in losses) == list(range(1, EPOCHS * ITERATIONS_PER_EPOCH + 1))
    assert run.data.metrics["test/bbox_mAP"] == place.manifest()["metrics"]["test"]["bbox_mAP"]


def test_what_does_not_answer_costs_a_warning_and_the_training_is_the_same(
    straight: Place, place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (place.root / "work").mkdir()
    (place.root / "work" / "logs").write_text("a file where a folder should be")
    place.checkpoints.mkdir()
    (place.checkpoints / "report.html").mkdir()  # nothing can be written there
    assert train.main(place.arguments()) == 0
    assert differing(place.weights(), straight.weights()) == []
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if "MLflow does not take the metrics" in text]) == 1
    assert len([text for text in warnings if "no metrics for metrics.jsonl" in text]) == 1
    assert len([text for text in warnings if "could not be stored, the training goes on" in text]) == 1


def test_several_processes_leave_one_log_and_a_terminal_shows_one_line(place: Place) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "training.train", *place.arguments("--processes", "2", epochs=1)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how the other end of a terminal says that it is closed
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    assert process.returncode == 0, shown[-3000:]
    lines = re.findall(r"\r\x1b\[K(epoch [^\r\n]+)", shown.decode())
    assert lines[0].startswith(f"epoch 1/1  iteration 1/{-(-ITERATIONS_PER_EPOCH // 2)}  loss ")
    assert "img/s" in lines[-1]
    while_drawn = shown.decode()[shown.decode().index(lines[0]) : shown.decode().rindex(lines[-1])]
    assert "progress: " not in while_drawn
    (log,) = (place.checkpoints / "logs").glob("*.jsonl")
    kinds = [record.kind for record in parse(log.read_bytes())]
    assert kinds.count("iteration") == len(lines)
    assert (kinds[0], kinds[-1]) == ("start", "end")
    # Each process saw one of the two pages.
    assert (
        'Worst pages of the test split <span class="soft">2</span>' in (place.checkpoints / "report.html").read_text()
    )
