"""Publishes a trained model, and downloads a published one: weights, resolved config, and a manifest written last.

`--model_output s3://bucket/path/model.pth` makes `model.pth`, `model.pth.config.py` and `model.pth.manifest.json`
(docs/architecture.md, "The model"). A model whose manifest is missing or does not match it is not valid. While a model
is being published its manifest has the kind UnfinishedModel, which makes no model valid and says whether it will be a
demo's.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import ConfigError, DataError, NotFound, WorkerError
from training.process.run_identity import RunIdentity
from training.storage.base import Storage
from training.storage.files import sha256_bytes, sha256_file
from training.storage.uri import open_parent, open_storage
from training.storage.verified import upload_verified

logger = logging.getLogger(__name__)
DEFAULT_NAME = "model.pth"
KIND, UNFINISHED_KIND = "Model", "UnfinishedModel"  # kinds of manifests


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a model is published: a storage and the keys of the model's objects in it."""

    storage: Storage
    key: str

    @property
    def config_key(self) -> str:
        return f"{self.key}.config.py"

    @property
    def manifest_key(self) -> str:
        return f"{self.key}.manifest.json"

    @property
    def report_key(self) -> str:
        """The key of the training's report, which is no part of the model."""
        return f"{self.key}.report.html"

    @property
    def uri(self) -> str:
        return self.storage.uri(self.key)


@dataclass(frozen=True, kw_only=True)
class VerifiedModel:
    """A downloaded model, whose weights and config match its manifest."""

    uri: str
    weights: Path
    config: Path
    sha256: str  # of the weights
    config_sha256: str
    classes: tuple[str, ...]
    demo: bool


@dataclass(frozen=True, kw_only=True)
class ModelWarning:
    """What people should know about a published model: a CamelCase word, and a sentence with advice."""

    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained on which dataset. Together with the run it decides whether a published model is this training's.

    `dataset_manifest` is the URI of the dataset's manifest; the dataset is identified by its digest, not by the URI.
    """

    dataset_digest: str
    dataset_manifest: str
    config_sha256: str
    seed: int
    demo: bool


def destination(output: str) -> Destination:
    """The destination that `--model_output` names; `model.pth` in it if it is a folder or ends with a slash."""
    if output.endswith("/") or ("://" not in output and Path(output).is_dir()):
        return Destination(
            storage=open_storage(output.rstrip("/") if "://" in output else Path(output).absolute()), key=DEFAULT_NAME
        )
    storage, key = open_parent(output if "://" in output else Path(output).absolute())
    return Destination(storage=storage, key=key)


def check_destination(place: Destination, *, demo: bool) -> None:
    """Check by a probe object that the destination can be written, and that a demo would not overwrite a real model.

    Raises Forbidden, NotFound or Transient if it cannot be written, ConfigError if a demo would overwrite a model.
    """
    place.storage.check_writable()
    if demo:
        _refuse_to_replace_a_model(place)


def _refuse_to_replace_a_model(place: Destination) -> None:
    if place.storage.stat(place.key) is not None and _read_either_manifest(place).get("demo") is not True:
        raise ConfigError(f"--demo would overwrite {place.uri}, which is no demo's model; name another --model_output.")


def read_model_manifest(place: Destination) -> dict[str, Any] | None:
    """The manifest at a destination; None if there is none, or only an UnfinishedModel's."""
    content = _read_either_manifest(place)
    return content if content.get("kind") == KIND else None


def _read_either_manifest(place: Destination) -> dict[str, Any]:
    """The manifest of a finished or unfinished model; empty if there is neither."""
    try:
        content: Any = json.loads(place.storage.read_bytes(place.manifest_key))
    except (NotFound, ValueError):
        return {}
    known = isinstance(content, dict) and content.get("kind") in (KIND, UNFINISHED_KIND)
    return content if known else {}


def _write_manifest(place: Destination, content: Mapping[str, Any]) -> None:
    place.storage.write_bytes(place.manifest_key, (json.dumps(content, indent=1) + "\n").encode())


def find_published(place: Destination, training: Training, run: RunIdentity, *, scratch: Path) -> dict[str, Any] | None:
    """The manifest of the model that an earlier attempt of this run has published, if the stored model matches it.

    A pod can die between its last write and the end of its process: the next attempt then has nothing to do.
    """
    manifest = read_model_manifest(place)
    if not run.uid or manifest is None:
        return None
    same = (
        manifest.get("run", {}).get("uid") == run.uid
        and manifest.get("datasetDigest") == training.dataset_digest
        and manifest.get("configSha256") == training.config_sha256
        and manifest.get("demo") is training.demo
    )
    stored = place.storage.stat(place.key)
    if not same or stored is None or stored.size_bytes != manifest.get("sizeBytes"):
        return None
    return manifest if _stored_sha256(place, scratch) == manifest.get("sha256") else None


def publish(
    place: Destination,
    weights: Path,
    *,
    config_text: str,
    training: Training,
    run: RunIdentity,
    classes: tuple[str, ...],
    metrics: Mapping[str, Mapping[str, float]],
    epoch: int,
    epochs: int,
    publishes: str,
    warnings: Sequence[ModelWarning],
    base_weights: Mapping[str, Any] | None,
    device: Mapping[str, Any],
    versions: Mapping[str, str],
    scratch: Path,
) -> dict[str, Any]:
    """Write model and config, verify the stored model, write the manifest. Returns the manifest.

    `epoch`: after how many of the training's `epochs` it had these weights; `publishes`: whether they are the last or
    the best ones. `metrics` are those of the weights, by split. `base_weights` are those that the training began with,
    in the manifest's form; None for random weights.

    First an UnfinishedModel manifest replaces any older one: the older one must not seem to belong to the new model,
    and a retry must be able to tell a half-published demo from a real model. The older model's report is deleted, so
    that a report always belongs to the model beside it. Raises Transient if the stored model differs from `weights`,
    ConfigError if a demo would overwrite a real model, and the storage's errors.
    """
    if sha256_bytes(config_text.encode()) != training.config_sha256:
        raise ValueError("the config's text is not the one that was trained")
    if training.demo:
        _refuse_to_replace_a_model(place)
    _write_manifest(place, {"version": 1, "kind": UNFINISHED_KIND, "demo": training.demo})
    if place.storage.stat(place.report_key) is not None:
        place.storage.delete(place.report_key)
    sha256 = upload_verified(place.storage, weights, place.key, scratch=scratch)
    place.storage.write_bytes(place.config_key, config_text.encode())
    manifest = {
        "version": 1,
        "kind": KIND,
        "uri": place.uri,
        "sha256": sha256,
        "sizeBytes": weights.stat().st_size,
        "classes": list(classes),
        "metrics": {split: dict(values) for split, values in metrics.items()},
        "epoch": epoch,
        "epochs": epochs,
        "baseWeights": None if base_weights is None else dict(base_weights),
        "publish": publishes,
        "warnings": [{"reason": warning.reason, "message": warning.message} for warning in warnings],
        "datasetDigest": training.dataset_digest,
        "datasetManifest": training.dataset_manifest,
        "configSha256": training.config_sha256,
        "seed": training.seed,
        "demo": training.demo,
        "device": dict(device),
        "versions": dict(versions),
        "run": {"namespace": run.namespace, "name": run.name, "uid": run.uid},
        "image": run.image,
    }
    _write_manifest(place, manifest)
    return manifest


def find_report(place: Destination) -> str | None:
    """The URI of the report beside the model; None if there is none, or if the storage fails (with a warning)."""
    try:
        found = place.storage.stat(place.report_key)
    except WorkerError as error:
        logger.warning("whether there is a report beside %s is not known: %s", place.uri, error)
        return None
    return place.storage.uri(place.report_key) if found else None


def download_verified(place: Destination, folder: Path, *, config_uri: str | None = None) -> VerifiedModel:
    """Download a published model into a folder and compare it with its manifest, which must lie beside it.

    The config is the one beside the model, or the object at `config_uri`. Raises NotFound if model, config or manifest
    is missing, DataError if the manifest is not that of a finished model or the model does not match it, ConfigError if
    the config does not match it.
    """
    manifest = _read_complete_manifest(place)
    config_storage, config_key = (place.storage, place.config_key) if config_uri is None else open_parent(config_uri)
    config = config_storage.read_bytes(config_key)
    if sha256_bytes(config) != manifest["configSha256"]:
        raise ConfigError(
            f"The config {config_storage.uri(config_key)} is not the one that {place.uri} was trained with; take "
            f"the {place.config_key} that was published with it."
        )
    stored = place.storage.stat(place.key)
    if stored is None:
        raise NotFound(f"{place.uri} does not exist, although its manifest does; copy the model there again.")
    weights = folder / DEFAULT_NAME
    if stored.size_bytes == manifest["sizeBytes"]:
        place.storage.download_file(place.key, weights)
    if stored.size_bytes != manifest["sizeBytes"] or sha256_file(weights) != manifest["sha256"]:
        raise DataError(
            f"{place.uri} is not the model that its manifest names; copy both again from where they were published."
        )
    config_file = folder / f"{DEFAULT_NAME}.config.py"
    config_file.write_bytes(config)
    return VerifiedModel(
        uri=place.uri,
        weights=weights,
        config=config_file,
        sha256=manifest["sha256"],
        config_sha256=manifest["configSha256"],
        classes=tuple(manifest["classes"]),
        demo=bool(manifest["demo"]),
    )


def _read_complete_manifest(place: Destination) -> dict[str, Any]:
    """The manifest of a finished model, with all fields that identify it. Raises NotFound or DataError."""
    uri = place.storage.uri(place.manifest_key)
    if place.storage.stat(place.manifest_key) is None:
        raise NotFound(
            f"{place.uri} has no manifest {uri}, so that nothing tells what it is; copy there the manifest that "
            "training.train published with it."
        )
    manifest = _read_either_manifest(place)
    if manifest.get("kind") == UNFINISHED_KIND:
        raise DataError(f"{place.uri} was not published to its end; wait for its training, or run that again.")
    needed = {"sha256", "sizeBytes", "configSha256", "classes", "demo"}
    if manifest.get("version") != 1 or not needed <= manifest.keys():
        raise DataError(f"{uri} is no manifest of a model; copy there the one that training.train published.")
    return manifest


def _stored_sha256(place: Destination, scratch: Path) -> str:
    copy = scratch / "model.readback"
    try:
        place.storage.download_file(place.key, copy)
        return sha256_file(copy)
    finally:
        copy.unlink(missing_ok=True)
