"""Real trainings, small ones: what is published, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmdet.apis import init_detector
from mmdet.utils import register_all_modules
from mmengine.runner import Runner

import training.train.loop  # noqa: F401  registers what a bound config names
from tests.support.train.drawn_dataset import write_dataset
from tests.support.train.place import ITERATIONS_PER_EPOCH, PAGES, Place, differing
from training.dataset import training_set
from training.dataset.split import SPLITS
from training.model import config
from training.storage.files import sha256_file
from training.train import bound_config, resolved_config
from training.train import command as train
from trainingrun_operator.core.progress.termination import read_termination_message
from trainingrun_operator.core.resource.status import Stage

pytestmark = pytest.mark.integration


def test_the_published_model_is_what_its_manifest_says(straight: Place) -> None:
    manifest = straight.manifest()
    dataset = json.loads((straight.dataset / "manifest.json").read_bytes())
    assert manifest["kind"] == "Model"
    assert manifest["sha256"] == sha256_file(straight.model)
    assert manifest["sizeBytes"] == straight.model.stat().st_size
    assert manifest["datasetDigest"] == dataset["digest"]
    assert manifest["datasetManifest"] == str(straight.dataset / "manifest.json")
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
    assert message["model"]["report"] == str(straight.model.with_name("model.pth.report.html"))
    assert straight.model.with_name("model.pth.report.html").exists()
    assert message["progress"]["percent"] == 100.0
    assert message["progress"]["epoch"] == message["progress"]["totalEpochs"] == 2
    assert message["progress"]["iteration"] == 2 * ITERATIONS_PER_EPOCH
    assert [point["epoch"] for point in message["progress"]["resumePoints"]] == [1, 2]
    assert message["progress"]["final"] is True


def test_the_operator_reads_the_termination_message(straight: Place) -> None:
    message = read_termination_message(straight.termination_log.read_text())
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
        ([str(tmp_path / "nowhere"), *options], 66, "holds no finished dataset"),
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
        (place.arguments("--load-from", "builtin://nothing"), 66, "builtin://nothing does not ship with this worker"),
        (place.arguments("--load-from", str(foreign)), 64, "fills 0 of "),
        (place.arguments("--resume-from", str(straight.model)), 64, "--load-from"),
        ([str(other_data), *options, "--resume-from", checkpoint], 64, "was trained on another dataset"),
        (place.arguments("--resume-from", checkpoint, "--seed", "1"), 64, "seed 0 instead of 1"),
        (place.arguments("--resume-from", checkpoint, "--demo"), 64, "demo False instead of True"),
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
        f"import sys; from training.train import command as train; code = train.main({arguments!r}); "
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
    facts = training_set.DatasetFacts(classes=("table", "Cell", "header"), images=PAGES)
    resolved = resolved_config.resolve(loaded, facts, resolved_config.Choices(epochs=1))
    assert resolved.model.backbone.norm_eval is False
    resolved.train_dataloader.dataset.pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "Resize", "scale": (64, 96), "keep_ratio": True},
        {"type": "PackDetInputs"},
    ]
    bound = bound_config.bind(
        resolved,
        bound_config.Placement(
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
