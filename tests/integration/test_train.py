"""Real trainings, small ones: what is published, what a stop leaves behind, and what continues exactly."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.apis import init_detector
from mmdet.utils import register_all_modules
from mmengine.runner import Runner, loops

import training.loop  # noqa: F401  registers what a bound config names
from tests.integration.s3_fixtures import READER_KEY, READER_SECRET, S3Server, worker_environment
from tests.integration.training_data import TINY_CONFIG, write_dataset
from training import config, train
from training.hooks.progress import ProgressHook
from training.split import SPLITS
from training.storage import open_storage, sha256_file
from trainingrun_operator.api import Stage
from trainingrun_operator.termination import read_termination

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = {"train": 6, "val": 2, "test": 2}
ITERATIONS_PER_EPOCH = 3  # 6 pages in batches of 2


@dataclass(frozen=True)
class Place:
    """The folders and files of one training."""

    root: Path
    dataset: Path
    config: Path

    @property
    def model(self) -> Path:
        return self.root / "model" / "model.pth"

    @property
    def checkpoints(self) -> Path:
        return self.root / "work" / "checkpoints"

    @property
    def termination_log(self) -> Path:
        return self.root / "termination-log"

    def arguments(self, *more: str, epochs: int = 2) -> list[str]:
        return [
            str(self.dataset),
            str(self.root / "work"),
            "--config",
            str(self.config),
            "--model_output",
            str(self.model),
            "--num-epoch",
            str(epochs),
            *more,
        ]

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.model.parent / "model.pth.manifest.json").read_bytes()))

    def weights(self) -> dict[str, torch.Tensor]:
        return dict(torch.load(self.model, weights_only=True)["state_dict"])

    def termination(self) -> dict[str, Any]:
        return dict(json.loads(self.termination_log.read_bytes()))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("dataset") / "ttv", pages=PAGES)


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(TINY_CONFIG.format(base=str(REPOSITORY / "configs" / "config_3_cls_tiny.py")))
    return path


@pytest.fixture
def place(tmp_path: Path, dataset: Path, tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of its own, with the termination log in it; SIGTERM is given back afterwards."""
    made = Place(tmp_path, dataset, tiny_config)
    monkeypatch.setenv("TRAINING_TERMINATION_LOG", str(made.termination_log))
    before = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_config: Path) -> Place:
    """Two epochs without interruption, in one process of its own, as a run's pod would do them."""
    made = Place(tmp_path_factory.mktemp("straight"), dataset, tiny_config)
    environment = {
        **os.environ,
        "TRAINING_TERMINATION_LOG": str(made.termination_log),
        "TRAINING_RUN_UID": "run-1",
        "TRAINING_IMAGE": "worker:1",
    }
    command = [sys.executable, "-m", "training.train", *made.arguments()]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return made


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


# ------------------------------------------------------------------------------------------------ what is published


def test_the_published_model_is_what_its_manifest_says(straight: Place) -> None:
    manifest = straight.manifest()
    dataset = json.loads((straight.dataset / "manifest.json").read_bytes())
    assert manifest["kind"] == "Model"
    assert manifest["sha256"] == sha256_file(straight.model)
    assert manifest["sizeBytes"] == straight.model.stat().st_size
    assert manifest["datasetDigest"] == dataset["digest"]
    assert manifest["configSha256"] == sha256_file(straight.model.with_name("model.pth.config.py"))
    assert manifest["classes"] == ["table", "Cell", "header"]
    assert manifest["epochs"] == 2
    assert manifest["demo"] is False
    assert manifest["run"]["uid"] == "run-1"
    assert manifest["image"] == "worker:1"
    assert set(manifest["metrics"]["test"]) == {
        "bbox_mAP",
        "bbox_mAP_50",
        "bbox_mAP_75",
        "table_mAP",
        "Cell_mAP",
        "header_mAP",
    }


def test_mmdet_opens_the_published_model_with_its_own_tools(straight: Place) -> None:
    model = init_detector(
        str(straight.model.with_name("model.pth.config.py")), str(straight.model), palette="random", device="cpu"
    )
    assert list(model.dataset_meta["classes"]) == ["table", "Cell", "header"]
    assert not differing(dict(model.state_dict()), straight.weights())


def test_the_published_config_names_no_folder_of_the_machine(straight: Place) -> None:
    text = straight.model.with_name("model.pth.config.py").read_text()
    assert str(straight.root) not in text
    assert str(straight.dataset) not in text


def test_the_termination_message_tells_of_the_model_and_the_last_progress(straight: Place) -> None:
    message = straight.termination()
    assert message["result"] == "succeeded"
    assert message["model"]["sha256"] == sha256_file(straight.model)
    assert message["model"]["manifest"].endswith("model.pth.manifest.json")
    assert message["progress"]["percent"] == 100.0
    assert message["progress"]["epoch"] == message["progress"]["totalEpochs"] == 2
    assert message["progress"]["iteration"] == 2 * ITERATIONS_PER_EPOCH
    assert [point["epoch"] for point in message["progress"]["resumePoints"]] == [1, 2]
    assert message["progress"]["final"] is True


def test_the_operator_reads_the_termination_message(straight: Place) -> None:
    message = read_termination(straight.termination_log.read_text())
    assert message is not None
    assert message.published(Stage.TRAIN)
    assert message.progress is not None
    assert message.progress.percent == 100.0
    assert [point.epoch for point in message.progress.resume_points] == [1, 2]
    assert {metric.name for metric in message.progress.metrics} >= {"bbox_mAP", "table_mAP"}


def test_each_epoch_leaves_a_checkpoint_whose_manifest_verifies_and_holds_its_metrics(straight: Place) -> None:
    for epoch in (1, 2):
        manifest = json.loads((straight.checkpoints / f"epoch_{epoch}.json").read_bytes())
        assert manifest["sha256"] == sha256_file(straight.checkpoints / f"epoch_{epoch}.pth")
        assert manifest["epoch"] == epoch
        assert manifest["iteration"] == epoch * ITERATIONS_PER_EPOCH
        assert "bbox_mAP" in manifest["metrics"]


def test_a_checkpoint_holds_nothing_but_tensors_and_plain_data(straight: Place) -> None:
    # In a process that allows nothing beyond torch's own list.
    code = f"import torch; torch.load({str(straight.checkpoints / 'epoch_2.pth')!r}, weights_only=True)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_that_has_published_its_model_does_not_train_again_and_says_the_same(
    straight: Place, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_RUN_UID", "run-1")
    written = straight.model.stat().st_mtime_ns
    assert train.main(straight.arguments()) == 0
    assert straight.model.stat().st_mtime_ns == written
    first, second = straight.termination(), place.termination()
    assert second["model"] == first["model"]
    for name in ("percent", "epoch", "totalEpochs", "metrics"):
        assert second["progress"][name] == first["progress"][name]


# --------------------------------------------------------------------------------------------------- stop and continue


@contextmanager
def sigterm_in_iteration(number: int) -> Iterator[None]:
    """Sends SIGTERM to this process in the iteration, counted from 1, of a training that is run in it."""
    original = ProgressHook.after_train_iter

    def send_sigterm(self: ProgressHook, runner: Any, *arguments: Any, **keywords: Any) -> None:
        original(self, runner, *arguments, **keywords)
        if runner.iter + 1 == number:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressHook, "after_train_iter", send_sigterm)
        yield


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


def test_a_training_continued_after_a_corrupt_checkpoint_takes_the_one_before(
    straight: Place, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.checkpoints.parent.mkdir()
    subprocess.run(["cp", "-r", str(straight.checkpoints), str(place.checkpoints)], check=True)
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
    assert sorted(path.name for path in place.checkpoints.iterdir()) == ["epoch_2.json", "epoch_2.pth"]
    assert json.loads((place.checkpoints / "epoch_2.json").read_bytes())["trainingId"] != manifest["trainingId"]


def test_auto_goes_on_with_the_branch_that_a_named_checkpoint_began(straight: Place, place: Place) -> None:
    place.checkpoints.parent.mkdir()
    shutil.copytree(straight.checkpoints, place.checkpoints)
    for path in place.checkpoints.glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "time": "2026-01-01T00:00:00Z"}))
    named = ("--resume-from", str(place.checkpoints / "epoch_1.pth"))
    with sigterm_in_iteration(ITERATIONS_PER_EPOCH + 1):
        assert train.main(place.arguments(*named)) == 143
    assert "iteration_4.pth continues it" in place.termination()["message"]

    assert train.main(place.arguments("--resume-from", "auto", epochs=3)) == 0
    points = place.termination()["progress"]["resumePoints"]
    assert [point["iteration"] for point in points] == [4, 6, 9]


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


# ------------------------------------------------------------------------------------------------------------- failures


def test_what_cannot_work_is_said_before_training_in_one_sentence_with_its_exit_code(
    place: Place, tmp_path: Path, straight: Place
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("model = dict(\n")
    other_classes = write_dataset(
        tmp_path / "other", pages={"train": 1, "val": 1, "test": 1}, classes=("table", "Cell", "header", "figure")
    )
    other_data = write_dataset(tmp_path / "changed", pages={"train": 2, "val": 1, "test": 1}, seed=1)
    incomplete = write_dataset(tmp_path / "incomplete", pages={"train": 1, "val": 1, "test": 1})
    next((incomplete / "train" / "images").iterdir()).unlink()
    empty_split = write_dataset(tmp_path / "empty", pages={"train": 1, "val": 0, "test": 1})
    no_weights = tmp_path / "no-weights.pth"
    no_weights.write_bytes(b"not a model")
    foreign = tmp_path / "foreign.pth"
    torch.save({"state_dict": {"encoder.weight": torch.zeros(3)}}, foreign)
    code = tmp_path / "code.pth"
    torch.save({"state_dict": subprocess.Popen}, code)
    checkpoint = str(straight.checkpoints / "epoch_1.pth")
    options = place.arguments()[1:]
    cases: list[tuple[list[str], int, str]] = [
        ([str(tmp_path / "nowhere"), *options], 66, "holds no finished data set"),
        ([str(incomplete), *options], 65, "missing"),
        ([str(empty_split), *options], 65, "The val split"),
        ([str(other_classes), *options], 64, "has 3 classes, but the dataset has 4 classes"),
        (place.arguments("--config", str(broken)), 64, "The config broken.py cannot be read"),
        (place.arguments("--config", "config_9_cls"), 66, "config_3_cls_w18.py"),
        (place.arguments("--model_output", "/sys/kernel/model/m.pth"), 77, "/sys/kernel/model"),
        (place.arguments("--model_output", "gs://bucket/m.pth"), 64, "no supported address"),
        (place.arguments("--load-from", str(tmp_path / "none.pth")), 66, "none.pth does not exist"),
        (place.arguments("--load-from", str(no_weights)), 65, "cannot be read as tensors"),
        (place.arguments("--load-from", str(code)), 65, "cannot be read as tensors"),
        (place.arguments("--load-from", str(foreign)), 64, "fits no layer"),
        (place.arguments("--resume-from", str(straight.model)), 64, "--load-from"),
        ([str(other_data), *options, "--resume-from", checkpoint], 64, "was trained on another dataset"),
        (place.arguments("--resume-from", checkpoint, "--seed", "1"), 64, "seed 0 instead of 1"),
        (place.arguments("--resume-from", checkpoint, "--demo"), 64, "demo False instead of True"),
        (
            place.arguments("--resume-from", checkpoint, "--cfg-options", "train_dataloader.batch_size=3"),
            64,
            "batch size 2 instead of 3, iterations per epoch 3 instead of 2",
        ),
        (
            place.arguments("--resume-from", str(straight.checkpoints / "epoch_2.pth"), epochs=1),
            64,
            "raise --num-epoch",
        ),
        (place.arguments("--cfg-options", "model"), 64, "not of the form name=value"),
        (place.arguments("--num-epoch", "0"), 64, "whole number"),
        ([str(place.dataset), str(tmp_path / "work")], 64, "--model_output"),
    ]
    for arguments, exit_code, part in cases:
        place.termination_log.unlink(missing_ok=True)
        assert train.main(arguments) == exit_code, arguments
        message = place.termination()
        assert message["result"] == "failed"
        assert message["exitCode"] == exit_code
        assert part in message["message"], message["message"]
        assert "\n" not in message["message"]
    assert not place.model.exists()


def test_cheap_checks_fail_before_torch_is_imported(place: Place) -> None:
    arguments = [str(place.root / "nowhere"), *place.arguments()[1:]]
    code = (
        f"import sys; from training import train; code = train.main({arguments!r}); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 66


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_iteration(place: Place) -> None:
    options = ("optim_wrapper.optimizer.lr=1e30", "optim_wrapper.clip_grad=None", "param_scheduler=None")
    assert train.main(place.arguments("--cfg-options", *options)) == 1
    assert "The loss became" in place.termination()["message"]
    assert "there is no checkpoint yet" in place.termination()["message"]


def test_the_default_network_builds_and_learns_for_an_iteration(place: Place, dataset: Path) -> None:
    register_all_modules(init_default_scope=False)
    loaded = config.load(config.find(config.DEFAULT_CONFIG, download_to=place.root))
    facts = config.DatasetFacts(classes=("table", "Cell", "header"), images=PAGES)
    resolved = config.resolve(loaded, facts, config.Choices(epochs=1))
    assert resolved.model.backbone.norm_eval is False
    resolved.train_dataloader.dataset.pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "Resize", "scale": (64, 96), "keep_ratio": True},
        {"type": "PackDetInputs"},
    ]
    bound = config.bind(
        resolved,
        config.Placement(
            work_dir=place.root,
            image_folders={split: dataset / split / "images" for split in SPLITS},
            annotation_files={split: dataset / split / f"{split}.json" for split in SPLITS},
            max_data_workers=0,
        ),
    )
    runner = Runner.from_cfg(bound)
    loader = runner.build_dataloader(bound.train_dataloader, seed=0)
    optimizer = runner.build_optim_wrapper(bound.optim_wrapper)
    losses = runner.model.train_step(next(iter(loader)), optim_wrapper=optimizer)
    assert torch.isfinite(losses["loss"])


# ------------------------------------------------------------------------------------------------------------------ S3


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
    keys = [item.key for item in storage.list_objects() if not item.key.startswith("data/")]
    assert keys == [
        "configs/tiny.py",
        "models/tables.pth",
        "models/tables.pth.config.py",
        "models/tables.pth.manifest.json",
        *(f"runs/1/checkpoints/epoch_{epoch}.{kind}" for epoch in (1, 2) for kind in ("json", "pth")),
    ]
    manifest = json.loads(storage.read_bytes("models/tables.pth.manifest.json"))
    assert manifest["uri"] == f"s3://{bucket}/models/tables.pth"
    assert manifest["epochs"] == 2
    progress = place.termination()["progress"]
    assert [point["iteration"] for point in progress["resumePoints"]] == [3, 6]

    for name, value in worker_environment(s3_environment.endpoint, READER_KEY, READER_SECRET).items():
        monkeypatch.setenv(name, value)
    assert train.main(arguments("third", "--num-epoch", "2")) == 77
