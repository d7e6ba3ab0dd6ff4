"""The published model: manifest last, demos never over models, a model of this very run recognised."""

import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import ConfigError, Transient
from training.model import bundle
from training.process import run_identity
from training.storage.base import StoredObject
from training.storage.files import sha256_bytes

RUN = run_identity.RunIdentity(namespace="ns", name="run", uid="u1", image="worker:1")
CONFIG = "model = dict()\n"
BASE_WEIGHTS = {"uri": "s3://b/base.pth", "filled": 9, "of": 10}
TRAINING = bundle.Training(
    dataset_digest="sha256:d",
    dataset_manifest="ttv/manifest.json",
    config_sha256=sha256_bytes(CONFIG.encode()),
    seed=0,
    demo=False,
)


def place_of(storage: MemoryStorage) -> bundle.Destination:
    return bundle.Destination(storage=storage, key="m.pth")


def publish(storage: MemoryStorage, scratch: Path, *, training: bundle.Training = TRAINING) -> dict[str, Any]:
    weights = scratch / "weights"
    weights.write_bytes(b"tensors")
    return bundle.publish(
        place_of(storage),
        weights,
        config_text=CONFIG,
        training=training,
        run=RUN,
        classes=("table",),
        metrics={"test": {"bbox_mAP": 0.5}},
        epoch=1,
        epochs=2,
        base_weights=BASE_WEIGHTS,
        device={"name": "NVIDIA L4", "count": 2, "memoryBytes": 23609475072},
        publishes="best",
        warnings=(bundle.ModelWarning(reason="DetectsNothing", message="It detects nothing."),),
        versions={"torch": "2"},
        scratch=scratch,
    )


def test_the_manifest_is_written_last_and_an_older_one_replaced_first(tmp_path: Path) -> None:
    storage = MemoryStorage()
    manifest = publish(storage, tmp_path)
    assert storage.operations == [
        "write m.pth.manifest.json",
        "write m.pth",
        "write m.pth.config.py",
        "write m.pth.manifest.json",
    ]
    assert json.loads(storage.objects["m.pth.manifest.json"]) == manifest
    assert manifest["sha256"] == sha256_bytes(b"tensors")
    assert manifest["baseWeights"] == BASE_WEIGHTS
    assert manifest["device"] == {"name": "NVIDIA L4", "count": 2, "memoryBytes": 23609475072}
    assert (manifest["epoch"], manifest["epochs"], manifest["publish"]) == (1, 2, "best")
    assert manifest["warnings"] == [{"reason": "DetectsNothing", "message": "It detects nothing."}]


def test_a_model_that_is_not_stored_as_written_gets_an_unfinished_manifest_only(tmp_path: Path) -> None:
    class Altering(MemoryStorage):
        def upload_file(self, path: Path, key: str) -> None:
            self.write_bytes(key, path.read_bytes() + b"!")

    storage = Altering()
    with pytest.raises(Transient, match="not stored as it was written"):
        publish(storage, tmp_path)
    assert json.loads(storage.objects["m.pth.manifest.json"])["kind"] == "UnfinishedModel"
    assert bundle.read_model_manifest(place_of(storage)) is None
    assert bundle.find_published(place_of(storage), TRAINING, RUN, scratch=tmp_path) is None


def test_an_older_models_report_goes_before_the_model_it_is_of(tmp_path: Path) -> None:
    storage = MemoryStorage()
    storage.objects["m.pth.report.html"] = b"of another model"
    publish(storage, tmp_path)
    assert storage.operations[:3] == ["write m.pth.manifest.json", "delete m.pth.report.html", "write m.pth"]
    assert bundle.find_report(place_of(storage)) is None


def test_the_report_beside_a_model_is_found_and_a_storage_that_is_silent_costs_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Silent(MemoryStorage):
        def stat(self, key: str) -> StoredObject | None:
            raise Transient(f"S3 answers 503 for {key}.")

    storage = MemoryStorage()
    storage.objects["m.pth.report.html"] = b"page"
    assert bundle.find_report(place_of(storage)) == "memory://m.pth.report.html"
    assert bundle.find_report(place_of(Silent())) is None
    assert "S3 answers 503 for m.pth.report.html." in caplog.text


class Killed(BaseException):
    pass


class KilledAfter(MemoryStorage):
    """Ends the process after a number of writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.writes = writes

    def write_bytes(self, key: str, data: bytes) -> None:
        super().write_bytes(key, data)
        self.writes -= 1
        if self.writes == 0:
            raise Killed


@pytest.mark.parametrize("writes", [1, 2, 3])
@pytest.mark.parametrize("demo", [True, False])
def test_a_demo_killed_while_publishing_is_tried_again_and_a_model_killed_so_is_not_replaced_by_a_demo(
    tmp_path: Path, writes: int, demo: bool
) -> None:
    storage = KilledAfter(writes)
    with pytest.raises(Killed):
        publish(storage, tmp_path, training=dataclasses.replace(TRAINING, demo=demo))
    refused = not demo and place_of(storage).key in storage.objects
    with pytest.raises(ConfigError) if refused else nullcontext():
        bundle.check_destination(place_of(storage), demo=True)


def test_a_demo_does_not_replace_a_model_that_appeared_while_it_trained(tmp_path: Path) -> None:
    storage = MemoryStorage()
    bundle.check_destination(place_of(storage), demo=True)
    publish(storage, tmp_path)
    before = dict(storage.objects)
    with pytest.raises(ConfigError, match="is no demo's model"):
        publish(storage, tmp_path, training=dataclasses.replace(TRAINING, demo=True))
    assert storage.objects == before


@pytest.mark.parametrize(
    ("training", "run", "found"),
    [
        (TRAINING, RUN, True),
        (TRAINING, dataclasses.replace(RUN, uid="u2"), False),
        (TRAINING, run_identity.RunIdentity(), False),
        (dataclasses.replace(TRAINING, dataset_digest="sha256:e"), RUN, False),
        (dataclasses.replace(TRAINING, config_sha256="0"), RUN, False),
        (dataclasses.replace(TRAINING, demo=True), RUN, False),
    ],
    ids=["same run", "another run", "a laptop", "another dataset", "another config", "a demo"],
)
def test_only_the_model_of_this_very_run_counts_as_published(
    tmp_path: Path, training: bundle.Training, run: run_identity.RunIdentity, found: bool
) -> None:
    storage = MemoryStorage()
    publish(storage, tmp_path)
    assert (bundle.find_published(place_of(storage), training, run, scratch=tmp_path) is not None) is found


@pytest.mark.parametrize("content", [b"tensorz", b"tens", None])
def test_a_published_model_that_differs_from_its_manifest_does_not_count(tmp_path: Path, content: bytes | None) -> None:
    storage = MemoryStorage()
    publish(storage, tmp_path)
    if content is None:
        del storage.objects["m.pth"]
    else:
        storage.objects["m.pth"] = content
    assert bundle.find_published(place_of(storage), TRAINING, RUN, scratch=tmp_path) is None


def test_a_demo_replaces_a_demo_but_no_model_and_nothing_unknown(tmp_path: Path) -> None:
    storage = MemoryStorage()
    place = place_of(storage)
    bundle.check_destination(place, demo=True)
    publish(storage, tmp_path, training=dataclasses.replace(TRAINING, demo=True))
    bundle.check_destination(place, demo=True)
    del storage.objects["m.pth.manifest.json"]
    with pytest.raises(ConfigError, match="is no demo's model"):
        bundle.check_destination(place, demo=True)
    publish(storage, tmp_path)
    with pytest.raises(ConfigError, match="is no demo's model"):
        bundle.check_destination(place, demo=True)
    bundle.check_destination(place, demo=False)


@pytest.mark.parametrize(
    ("output", "key"), [("/models/m.pth", "m.pth"), ("/models/", "model.pth"), ("/models/best", "best")]
)
def test_a_folder_gets_a_name_and_a_file_keeps_its_own(output: str, key: str) -> None:
    place = bundle.destination(output)
    assert place.uri == f"{output.rstrip('/') if key != 'model.pth' else '/models/model.pth'}"
    assert place.key == key
