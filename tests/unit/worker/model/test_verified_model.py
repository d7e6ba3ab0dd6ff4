"""A published model is taken only with the manifest and the config that it was published with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import ConfigError, DataError, NotFound, WorkerError
from training.model import bundle
from training.process import run_identity
from training.storage.files import sha256_bytes, sha256_file

CONFIG = b"model = dict()\n"
CLASSES = ("table", "Cell", "header")


@pytest.fixture
def published(tmp_path: Path) -> MemoryStorage:
    storage = MemoryStorage()
    weights = tmp_path / "weights"
    weights.write_bytes(b"tensors")
    bundle.publish(
        bundle.Destination(storage=storage, key="m.pth"),
        weights,
        config_text=CONFIG.decode(),
        training=bundle.Training(
            dataset_digest="sha256:d",
            dataset_manifest="ttv/manifest.json",
            config_sha256=sha256_bytes(CONFIG),
            seed=0,
            demo=True,
        ),
        run=run_identity.RunIdentity(),
        classes=CLASSES,
        metrics={},
        epoch=1,
        epochs=1,
        base_weights=None,
        device={"name": "CPU", "count": 1},
        publishes="last",
        warnings=(),
        versions={},
        scratch=tmp_path,
    )
    return storage


def verified(storage: MemoryStorage, folder: Path, config_uri: str | None = None) -> bundle.VerifiedModel:
    return bundle.download_verified(bundle.Destination(storage=storage, key="m.pth"), folder, config_uri=config_uri)


def test_what_was_published_together_is_taken(published: MemoryStorage, tmp_path: Path) -> None:
    model = verified(published, tmp_path)
    assert model.weights.read_bytes() == b"tensors"
    assert model.config.read_bytes() == CONFIG
    assert (model.sha256, model.config_sha256) == (sha256_file(model.weights), sha256_bytes(CONFIG))
    assert (model.classes, model.demo) == (CLASSES, True)


def test_a_config_that_lies_elsewhere_is_taken_where_it_is_the_same(published: MemoryStorage, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_bytes(CONFIG)
    del published.objects["m.pth.config.py"]
    assert verified(published, tmp_path, str(elsewhere)).config.read_bytes() == CONFIG


def change_manifest(**changes: Any) -> Callable[[MemoryStorage], None]:
    def change(storage: MemoryStorage) -> None:
        manifest = json.loads(storage.objects["m.pth.manifest.json"])
        storage.write_bytes("m.pth.manifest.json", json.dumps({**manifest, **changes}).encode())

    return change


def write(key: str, data: bytes) -> Callable[[MemoryStorage], None]:
    return lambda storage: storage.write_bytes(key, data)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda s: s.delete("m.pth.manifest.json"), NotFound, "has no manifest .*; copy there the manifest"),
        (write("m.pth.manifest.json", b"{"), DataError, "is no manifest of a model; copy there the one"),
        (change_manifest(kind="Checkpoint"), DataError, "is no manifest of a model; copy there the one"),
        (change_manifest(version=2), DataError, "is no manifest of a model; copy there the one"),
        (write("m.pth.manifest.json", b'{"version": 1, "kind": "Model"}'), DataError, "is no manifest of a model"),
        (change_manifest(kind="UnfinishedModel"), DataError, "was not published to its end; wait for its training"),
        (lambda s: s.delete("m.pth"), NotFound, "does not exist, although its manifest does; copy the model there"),
        (write("m.pth", b"tensorz"), DataError, "is not the model that its manifest names; copy both again"),
        (write("m.pth", b"tensors and more"), DataError, "is not the model that its manifest names; copy both again"),
        (lambda s: s.delete("m.pth.config.py"), NotFound, "m.pth.config.py"),
        (
            write("m.pth.config.py", CONFIG + b"\n"),
            ConfigError,
            "is not the one that .* was trained with; take the m.p",
        ),
    ],
    ids=[
        "no manifest",
        "a broken manifest",
        "the manifest of something else",
        "a later manifest",
        "a manifest that says nothing",
        "an unfinished model",
        "no weights",
        "other weights",
        "larger weights",
        "no config",
        "another config",
    ],
)
def test_what_does_not_belong_together_is_refused_in_a_sentence_that_says_what_to_do(
    published: MemoryStorage,
    tmp_path: Path,
    change: Callable[[MemoryStorage], None],
    error: type[WorkerError],
    sentence: str,
) -> None:
    change(published)
    with pytest.raises(error, match=sentence):
        verified(published, tmp_path)


def test_another_config_named_explicitly_is_refused(published: MemoryStorage, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_bytes(b"raise SystemExit('executed')\n")
    with pytest.raises(ConfigError, match=r"elsewhere\.py is not the one that .*m\.pth was trained with"):
        verified(published, tmp_path, str(elsewhere))
