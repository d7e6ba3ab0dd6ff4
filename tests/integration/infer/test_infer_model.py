"""The real network of a published model, and the models that are refused, most of them before torch is imported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hack.documents.corpus import draw_corpus
from tests.support.infer.predicting import read_json
from tests.support.train.place import Place, copy_made_once
from training.errors import ConfigError, DataError, GPUUnavailable, WorkerError
from training.infer import command as infer
from training.model import bundle
from training.model.detector import Detector
from training.storage.files import sha256_file

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    draw_corpus(folder, documents=1, seed=4, pages=3)
    return folder


@pytest.fixture
def model(straight: Place, tmp_path: Path) -> Path:
    """A copy of a published model that a test may damage."""
    copy_made_once(straight.model.parent, tmp_path / "model")
    return tmp_path / "model" / "model.pth"


def run_infer(*arguments: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str, bool]:
    """Exit code and output of the command in a process of its own, and whether it imported torch."""
    code = (
        "import sys; from training.infer import command; code = command.main(sys.argv[1:]);"
        "print('torch' if 'torch' in sys.modules else 'light'); sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **(environment or {})},
    )
    return result.returncode, result.stdout + result.stderr, "torch\n" in result.stdout


def change_manifest(model: Path, **changes: Any) -> None:
    path = model.with_name("model.pth.manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def test_the_command_predicts_with_a_published_model(straight: Place, documents: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.infer", documents, tmp_path / "out", "--model", straight.model]
    result = subprocess.run(
        [*map(str, command), "--score", "0", "--batch_size", "2", "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.endswith("1 documents, 1 predicted\n")
    content = read_json(tmp_path / "out", "document-0001")
    assert [page["page_num"] for page in content["pages"]] == [0, 1, 2]
    assert content["prediction"]["modelSha256"] == sha256_file(straight.model)
    assert content["prediction"]["model"] == str(straight.model)


def test_the_two_variables_name_the_model_and_a_config_that_lies_elsewhere(
    model: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    config = shutil.move(model.with_name("model.pth.config.py"), tmp_path / "config.py")
    monkeypatch.setenv("CASCADE_CONFIG_PATH", str(config))
    monkeypatch.setenv("CASCADE_MODEL_PATH", str(model))
    assert infer.main([str(documents), str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert len(read_json(tmp_path / "out", "document-0001")["pages"]) == 3


def verified(model: Path, folder: Path) -> bundle.VerifiedModel:
    folder.mkdir(exist_ok=True)
    return bundle.download_verified(bundle.destination(str(model)), folder)


def test_detections_are_in_pixels_of_the_image_and_the_same_in_batches(
    straight: Place, model: Path, tmp_path: Path
) -> None:
    # So short a training finds nothing that it is sure of.
    damage_config(model, "\nmodel['test_cfg']['rcnn']['score_thr'] = 0.0\n")
    images = sorted((straight.dataset / "train" / "images").iterdir())[:3]
    found = verified(model, tmp_path / "verified")
    alone, together = (Detector(found, device="cpu", batch_size=size).detect(images) for size in (1, 2))
    assert len(alone) == len(together) == 3
    for one, other in zip(alone, together, strict=True):
        assert one
        assert sorted(round(detection.score, 3) for detection in one) == pytest.approx(
            sorted(round(detection.score, 3) for detection in other), abs=0.002
        )
        assert {detection.category for detection in one} <= {1, 2, 3}
        for box in (detection.box for detection in one):
            assert 0 <= box.left <= box.right <= 240
            assert 0 <= box.top <= box.bottom <= 320


def damage_weights(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "refusal"),
    [
        (lambda model: model.with_name("model.pth.manifest.json").unlink(), (66, "NotFound: {model} has no manifest")),
        (damage_weights, (65, "DataError: {model} is not the model that its manifest names; copy both again")),
        (
            lambda model: model.with_name("model.pth.config.py").write_text("print('executed')\n"),
            (64, "ConfigError: The config {model}.config.py is not the one that {model} was trained with; take the"),
        ),
        (
            lambda model: change_manifest(model, kind="Checkpoint"),
            (65, "DataError: {model}.manifest.json is no manifest of a model; copy there the one"),
        ),
        (
            lambda model: change_manifest(model, classes=["table", "Cell"]),
            (
                64,
                "ConfigError: The model {model} knows the classes table, Cell; name one that was trained on table,",
            ),
        ),
        (
            lambda model: change_manifest(model, classes=["Cell", "table", "header"]),
            (64, "ConfigError: The model {model} knows the classes Cell, table, header; name one that was trained on"),
        ),
    ],
    ids=["no manifest", "other weights", "another config", "another kind", "fewer classes", "other classes"],
)
def test_a_model_that_is_not_what_its_manifest_says_is_refused_before_torch_is_imported(
    model: Path, documents: Path, tmp_path: Path, damage: Callable[[Path], None], refusal: tuple[int, str]
) -> None:
    damage(model)
    code, sentence = refusal
    found, output, torch_imported = run_infer(documents, tmp_path / "out", "--model", model)
    assert (found, torch_imported) == (code, False), output
    assert f"error: {sentence.format(model=model)}" in output
    assert "executed" not in output
    assert not (tmp_path / "out" / "json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["absent", "out", "--model", "m.pth"], 66, "NotFound: The folder absent does not exist; check the path."),
        (["documents", "out"], 64, "ConfigError: No model is named; give --model, or set CASCADE_MODEL_PATH and"),
        (["documents", "out", "--model", "absent.pth"], 66, "has no manifest"),
        (["documents", "/proc/out", "--model", "m.pth"], 66, "NotFound: /proc/out does not exist; check the path."),
        (["documents", "gs://bucket", "--model", "m.pth"], 64, "ConfigError: gs://bucket is no supported address"),
    ],
    ids=["no input", "no model named", "no model there", "output not writable", "another address"],
)
def test_what_cannot_work_is_said_at_once_with_its_exit_code(
    documents: Path, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    given = [str(documents) if argument == "documents" else argument for argument in arguments]
    given = [str(tmp_path / argument) if argument == "out" else argument for argument in given]
    found, output, torch_imported = run_infer(*given)
    assert (found, torch_imported) == (code, False), output
    assert sentence in output


def damage_state(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Another content, of which the manifest says that it is the model's."""
    content = torch.load(model, weights_only=True)
    change(content)
    torch.save(content, model)
    change_manifest(model, sha256=sha256_file(model), sizeBytes=model.stat().st_size)


def damage_config(model: Path, text: str) -> None:
    config = model.with_name("model.pth.config.py")
    config.write_text(config.read_text() + text)
    change_manifest(model, configSha256=sha256_file(config))


@pytest.mark.parametrize(
    ("damage", "error", "sentence"),
    [
        (
            lambda model: damage_state(model, lambda content: content["state_dict"].popitem()),
            DataError,
            "The weights .* are not those of its config's network; publish the model again",
        ),
        (
            lambda model: damage_state(
                model, lambda content: content["meta"].update(dataset_meta={"classes": ["a", "b", "c"]})
            ),
            DataError,
            "holds other classes than its manifest",
        ),
        (
            lambda model: damage_state(model, lambda content: content.pop("meta")),
            DataError,
            "holds other classes than its manifest",
        ),
        (
            lambda model: damage_config(model, "\nmodel['roi_head']['bbox_head'][0]['num_classes'] = 4\n"),
            ConfigError,
            "has 4 classes",
        ),
        (
            lambda model: damage_config(model, "\nmodel['type'] = 'NoSuchNetwork'\n"),
            ConfigError,
            "builds no network here",
        ),
        (lambda model: damage_config(model, "\nraise RuntimeError('broken')\n"), ConfigError, "cannot be read.*broken"),
    ],
    ids=["a tensor less", "other classes", "no classes", "another head", "an unknown network", "a failing config"],
)
def test_a_model_whose_parts_do_not_fit_is_refused_whatever_its_manifest_says(
    model: Path, tmp_path: Path, damage: Callable[[Path], None], error: type[WorkerError], sentence: str
) -> None:
    damage(model)
    found = verified(model, tmp_path / "verified")
    with pytest.raises(error, match=sentence):
        Detector(found, device="cpu", batch_size=1)


def test_weights_that_would_run_code_are_refused(model: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "hook": subprocess.Popen}, model)
    change_manifest(model, sha256=sha256_file(model), sizeBytes=model.stat().st_size)
    with pytest.raises(DataError, match="cannot be read as tensors and plain data"):
        Detector(verified(model, tmp_path / "verified"), device="cpu", batch_size=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(straight: Place, tmp_path: Path) -> None:
    with pytest.raises(GPUUnavailable, match="The GPU asked for cannot be used: this container has no NVIDIA driver"):
        Detector(verified(straight.model, tmp_path / "verified"), device="cuda", batch_size=1)


def test_a_demos_model_works_with_a_warning(
    model: Path, documents: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    change_manifest(model, demo=True)
    assert infer.main([str(documents), str(tmp_path / "out"), "--model", str(model), "--device", "cpu"]) == 0
    assert f"{model} is a demo's model, trained on a handful of pages: its predictions mean nothing" in caplog.text


def test_pages_that_do_not_fit_the_gpu_together_are_predicted_one_by_one(
    straight: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = sorted((straight.dataset / "train" / "images").iterdir())[:3]
    detector = Detector(verified(straight.model, tmp_path / "verified"), device="cpu", batch_size=2)
    expected = detector.detect(images)
    predict = detector._network.test_step

    def predict_one(data: Any) -> Any:
        if len(data["inputs"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return predict(data)

    monkeypatch.setattr(detector._network, "test_step", predict_one)
    assert [len(page) for page in detector.detect(images)] == [len(page) for page in expected]


@pytest.mark.parametrize(("is_lost", "kind"), [(True, WorkerError), (False, RuntimeError)])
def test_an_error_that_leaves_the_gpu_unusable_is_no_pages_own(
    straight: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool, kind: type[Exception]
) -> None:
    fault = RuntimeError("CUDA error: device-side assert triggered")

    def fail(*_: object) -> None:
        raise fault

    detector = Detector(verified(straight.model, tmp_path / "verified"), device="cpu", batch_size=1)
    monkeypatch.setattr(detector, "_device", torch.device("cuda"))
    monkeypatch.setattr(detector._network, "test_step", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", fail if is_lost else lambda: None)
    with pytest.raises(kind, match="device-side assert"):
        detector.detect([next((straight.dataset / "train" / "images").iterdir())])
