"""Real trainings, small ones: what a stop leaves behind, and what continues exactly."""

import errno
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner, loops

import training.train.loop  # noqa: F401  registers what a bound config names
from hack.s3.server import READER_KEY, READER_SECRET, S3Server, worker_environment
from tests.support.train.place import ITERATIONS_PER_EPOCH, REPOSITORY, Place, copy_made_once, differing
from tests.support.train.sigterm import sigterm_in_iteration
from training.model import config
from training.storage.files import sha256_file
from training.storage.uri import open_storage
from training.train import command as train

pytestmark = pytest.mark.integration


def test_a_training_stopped_within_an_epoch_continues_to_the_very_same_weights(straight: Place, place: Place) -> None:
    stop_at = ITERATIONS_PER_EPOCH + 1
    with sigterm_in_iteration(stop_at):
        assert train.main(place.arguments()) == 143
    message = place.termination()
    assert message["result"] == "failed"
    assert message["exitCode"] == 143
    assert message["progress"]["resumePoints"][-1]["iteration"] == stop_at
    assert not place.model.exists()
    assert (place.checkpoints / f"iteration_{stop_at}.json").exists()
    assert not (place.root / "work" / "scratch").exists()

    assert train.main(place.arguments("--resume-from", "auto")) == 0
    assert differing(place.weights(), straight.weights()) == []
    assert place.manifest()["metrics"] == straight.manifest()["metrics"]


def test_a_training_stopped_after_its_statistics_were_frozen_keeps_them_and_continues_to_the_very_same_weights(
    place: Place,
) -> None:
    options = ("--cfg-options", "freeze_norm_after=0.5")
    whole = replace(place, root=place.root / "whole")
    assert train.main(whole.arguments(*options)) == 0
    frozen = torch.load(whole.checkpoints / "epoch_1.pth", weights_only=True)["state_dict"]
    statistics = [name for name in frozen if "running_" in name]
    assert statistics
    assert all(torch.equal(whole.weights()[name], frozen[name]) for name in statistics)

    with sigterm_in_iteration(ITERATIONS_PER_EPOCH + 1):
        assert train.main(place.arguments(*options)) == 143
    assert train.main(place.arguments("--resume-from", "auto", *options)) == 0
    assert differing(place.weights(), whole.weights()) == []


def test_a_training_continued_after_a_corrupt_checkpoint_takes_the_one_before(
    straight: Place, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    copy_made_once(straight.checkpoints, place.checkpoints)
    newest = place.checkpoints / "epoch_2.pth"
    newest.write_bytes(newest.read_bytes()[:-1000])
    # With another number of data workers, which must not matter either.
    options = ("--cfg-options", "train_dataloader.num_workers=1")
    assert train.main(place.arguments("--resume-from", "auto", *options)) == 0
    assert "is truncated" in caplog.text
    assert differing(place.weights(), straight.weights()) == []


def test_a_checkpoint_of_another_folder_is_continued_to_the_very_same_weights_and_stays_there(
    straight: Place, place: Place
) -> None:
    # Without metrics, as one whose validation was cut off.
    other = place.root / "other"
    other.mkdir()
    shutil.copy(straight.checkpoints / "epoch_1.pth", other)
    manifest = json.loads((straight.checkpoints / "epoch_1.json").read_bytes())
    (other / "epoch_1.json").write_text(json.dumps({**manifest, "metrics": {}}))

    assert train.main(place.arguments("--resume-from", str(other / "epoch_1.pth"))) == 0
    assert differing(place.weights(), straight.weights()) == []
    assert place.manifest()["metrics"] == straight.manifest()["metrics"]
    # What is reported exists, and what exists is this training's own.
    points = place.termination()["progress"]["resumePoints"]
    assert [Path(point["uri"]) for point in points] == [place.checkpoints / "epoch_2.pth"]
    assert sorted(path.name for path in place.checkpoints.glob("*_*.*")) == ["epoch_2.json", "epoch_2.pth"]
    assert json.loads((place.checkpoints / "epoch_2.json").read_bytes())["trainingId"] != manifest["trainingId"]


def test_auto_goes_on_with_the_branch_that_a_named_checkpoint_began(straight: Place, place: Place) -> None:
    copy_made_once(straight.checkpoints, place.checkpoints)
    for path in place.checkpoints.glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "time": "2026-01-01T00:00:00Z"}))
    named = ("--resume-from", str(place.checkpoints / "epoch_1.pth"))
    with sigterm_in_iteration(ITERATIONS_PER_EPOCH + 1):
        assert train.main(place.arguments(*named)) == 143
    assert "iteration_4.pth continues it" in place.termination()["message"]

    assert train.main(place.arguments("--resume-from", "auto", epochs=3)) == 0
    points = place.termination()["progress"]["resumePoints"]
    assert [point["iteration"] for point in points] == [6, 9]


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = Runner.save_checkpoint

    def save(self: Any, *arguments: Any, **keywords: Any) -> None:
        if self.epoch == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, *arguments, **keywords)

    monkeypatch.setattr(Runner, "save_checkpoint", save)
    assert train.main(place.arguments()) == 0
    assert "the checkpoint of epoch 1 is lost: The disk is full" in caplog.text
    assert (place.checkpoints / "epoch_2.json").exists()


def test_a_config_without_a_schedule_is_continued(place: Place) -> None:
    options = ("--cfg-options", "param_scheduler=None")
    assert train.main(place.arguments(*options, epochs=1)) == 0
    assert train.main(place.arguments("--resume-from", "auto", *options)) == 0
    assert place.manifest()["epochs"] == 2
    assert train.main(place.arguments("--resume-from", "auto", epochs=3)) == 64
    assert "was trained without param_scheduler" in place.termination()["message"]


def test_changed_settings_of_the_optimizer_are_applied_and_another_optimizer_or_schedule_is_refused(
    straight: Place, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    resume = ("--resume-from", str(straight.checkpoints / "epoch_1.pth"), "--cfg-options")
    for option, sentence in (
        ("optim_wrapper.optimizer.type=SGD", "was trained with optimizer AdamW instead of SGD;"),
        ("param_scheduler.1.gamma=0.5", "was trained with param_scheduler.1.gamma 0.1 instead of 0.5;"),
    ):
        assert train.main(place.arguments(*resume, option)) == 64
        assert sentence in place.termination()["message"]
    options = ("lr=0.008", "weight_decay=0.25", "betas=(0.5,0.75)")
    assert train.main(place.arguments(*resume, *(f"optim_wrapper.optimizer.{option}" for option in options))) == 0
    (line,) = [text for text in caplog.messages if text.startswith("the optimizer continues with")]
    assert "weight_decay 0.25 instead of 0.0001" in line
    checkpoint = torch.load(place.checkpoints / "epoch_2.pth", weights_only=True)
    (group,) = checkpoint["optimizer"]["param_groups"]
    # The second epoch's learning rate is a tenth of the first's.
    assert group["lr"] == pytest.approx(0.0008)
    assert (group["initial_lr"], group["weight_decay"], group["betas"]) == (0.008, 0.25, (0.5, 0.75))
    assert checkpoint["param_schedulers"][1]["base_values"] == [0.008]


def test_a_stop_waits_for_the_step_towards_which_gradients_accumulate(place: Place) -> None:
    with sigterm_in_iteration(1):
        options = ("optim_wrapper.accumulative_counts=2", "param_scheduler=None")
        assert train.main(place.arguments("--cfg-options", *options)) == 143
    assert place.termination()["progress"]["resumePoints"][-1]["iteration"] == 2


def test_sigterm_ends_a_training_process_with_143_and_a_checkpoint(place: Place) -> None:
    command = [sys.executable, "-m", "training.train", *place.arguments(epochs=50)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not (place.checkpoints / "epoch_1.json").exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # a second one must not hurry it into losing the checkpoint
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 143, errors[-2000:]
    assert "error: Interrupted: SIGTERM ended the training at iteration" in errors
    point = place.termination()["progress"]["resumePoints"][-1]
    assert sha256_file(Path(point["uri"])) == point["sha256"]


def test_the_average_of_the_weights_is_evaluated_and_published(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    averaging = place.root / "averaging.py"
    averaging.write_text(place.config.read_text() + '\ncustom_hooks = [dict(type="EMAHook", momentum=0.5)]\n')
    tested: list[dict[str, torch.Tensor]] = []
    original = loops.TestLoop.run_iter

    def run_iter(self: Any, *arguments: Any) -> None:
        tested.append({name: value.clone() for name, value in self.runner.model.state_dict().items()})
        original(self, *arguments)

    monkeypatch.setattr(loops.TestLoop, "run_iter", run_iter)
    assert train.main(place.arguments("--config", str(averaging), epochs=1)) == 0
    checkpoint = torch.load(place.checkpoints / "epoch_1.pth", weights_only=True)
    trained = {name.removeprefix("module."): value for name, value in checkpoint["ema_state_dict"].items()}
    published = place.weights()
    assert differing(published, dict(checkpoint["state_dict"])) == []
    assert differing(published, tested[0]) == []
    assert any(not torch.equal(value, trained[name]) for name, value in published.items())


def test_base_weights_are_loaded_and_a_demo_refuses_to_replace_a_model(straight: Place, place: Place) -> None:
    assert train.main(place.arguments("--load-from", str(straight.model), "--demo", "True", epochs=1)) == 0
    assert place.manifest()["demo"] is True
    assert place.manifest()["epochs"] == 1
    # A demo may replace a demo, not a model.
    straight_arguments = [*place.arguments("--demo"), "--model_output", str(straight.model)]
    assert train.main(straight_arguments) == 64
    assert "is no demo's model" in place.termination()["message"]


def test_everything_can_be_in_s3_and_a_new_machine_continues_from_there(
    s3_environment: S3Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3_environment.new_bucket()
    storage = open_storage(f"s3://{bucket}")
    for path in sorted(place.dataset.rglob("*")):
        if path.is_file():
            storage.upload_file(path, f"data/ttv/{path.relative_to(place.dataset).as_posix()}")
    tiny = place.config.read_text().replace(str(REPOSITORY / "configs"), config.folders()[0].as_posix())
    storage.write_bytes("configs/tiny.py", tiny.encode())

    def arguments(work_dir: str, *more: str) -> list[str]:
        uri = f"s3://{bucket}"
        options = ["--config", f"{uri}/configs/tiny.py", "--model_output", f"{uri}/models/tables.pth"]
        options += ["--checkpoint-output", f"{uri}/runs/1/checkpoints", "--resume-from", "auto"]
        return [f"{uri}/data/ttv", str(place.root / work_dir), *options, *more]

    assert train.main(arguments("first", "--num-epoch", "1")) == 0
    assert train.main(arguments("second", "--num-epoch", "2")) == 0
    folders = ("data/", "runs/1/checkpoints/logs/")
    keys = [item.key for item in storage.list_objects() if not item.key.startswith(folders)]
    assert keys == [
        "configs/tiny.py",
        "models/tables.pth",
        "models/tables.pth.config.py",
        "models/tables.pth.manifest.json",
        "models/tables.pth.report.html",
        *(f"runs/1/checkpoints/epoch_{epoch}.{kind}" for epoch in (1, 2) for kind in ("json", "pth")),
        "runs/1/checkpoints/report.html",
    ]
    manifest = json.loads(storage.read_bytes("models/tables.pth.manifest.json"))
    assert manifest["uri"] == f"s3://{bucket}/models/tables.pth"
    assert manifest["epochs"] == 2
    progress = place.termination()["progress"]
    assert [point["iteration"] for point in progress["resumePoints"]] == [3, 6]

    for name, value in worker_environment(s3_environment.endpoint, READER_KEY, READER_SECRET).items():
        monkeypatch.setenv(name, value)
    assert train.main(arguments("third", "--num-epoch", "2")) == 77
