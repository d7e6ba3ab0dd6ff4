"""Finds where a training starts: from a checkpoint, from base weights, or from random weights.

The main rank decides; the others follow it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import ConfigError, NotFound, Transient
from training.model import weights
from training.model.base_weights import builtin
from training.model.base_weights.fit import fit
from training.model.base_weights.network import network_state
from training.model.base_weights.record import BaseWeights
from training.storage.files import sha256_file
from training.storage.uri import open_parent
from training.train.checkpoints.checkpoint import Checkpoint, new_training_id, parse_manifest
from training.train.checkpoints.store import CheckpointStore, fetch_verified
from training.train.distributed.collectives import from_main
from training.train.distributed.topology import Topology
from training.train.plan import RESUME_AUTO, TrainingPlan

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a training starts; the same in all ranks."""

    training_id: str
    base_weights: BaseWeights | None  # those that the training began with, perhaps in an earlier attempt
    uri: str | None = None  # of the checkpoint or the base weights; None for random weights
    file: str | None = None  # name of their copy in the scratch folder of each node
    sha256: str = ""  # of the file
    is_resumed: bool = False
    own: Checkpoint | None = None  # the checkpoint, if it belongs to this training
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the checkpoint's validation; empty if unknown

    @property
    def resumed_from(self) -> str | None:
        """The URI of the checkpoint that the training resumes from, if any."""
        return self.uri if self.is_resumed else None

    @property
    def has_norm_statistics(self) -> bool:
        """Whether the training began with statistics of batch normalization, so that `norm_eval` may keep them."""
        return self.base_weights is not None and self.base_weights.has_statistics

    @property
    def what(self) -> str:
        """The name of the file in messages."""
        return f"The checkpoint {self.uri}" if self.is_resumed else f"--load-from {self.uri}"


def find_start(plan: TrainingPlan, config: Any, topology: Topology) -> tuple[Start, dict[str, Any]]:
    """Choose the start and download its file to this node. Returns the start, and in the leader of a node the file's
    content. `config` is the resolved one, whose network base weights must fill.

    Raises NotFound, Forbidden or Transient, DataError if the file cannot be read, ConfigError if base weights fill too
    little of the network, or if --resume-from names a checkpoint of another dataset, whose epochs are not epochs of
    this one.
    """
    content: dict[str, Any] = {}

    def choose() -> Start:
        nonlocal content
        start, content = _choose(plan, config)
        return start

    start = from_main(choose)
    if topology.is_leader and not topology.is_main and start.file and start.uri:
        content = _fetch(plan, start)
    return start, content


def _choose(plan: TrainingPlan, config: Any) -> tuple[Start, dict[str, Any]]:
    if plan.resume_from == RESUME_AUTO:
        store = CheckpointStore(
            plan.checkpoints, scratch=plan.scratch, dataset_digest=plan.dataset.digest, training_id=""
        )
        found = store.find_newest()
        if found is not None:
            own, path = found
            return _resumed(path, store.uri(own), own.metrics, own=own)
        logger.info("no checkpoint in %s: the training starts afresh", plan.checkpoints.uri())
    elif plan.resume_from:
        return _resume_named(plan, plan.resume_from)
    if plan.load_from:
        return _start_from_base_weights(plan, plan.load_from, config)
    logger.warning("no base weights: the training starts from random weights (docs/base-weights.md)")
    return Start(training_id=new_training_id(), base_weights=None), {}


def _start_from_base_weights(plan: TrainingPlan, uri: str, config: Any) -> tuple[Start, dict[str, Any]]:
    storage, key = open_parent(builtin.located(uri))
    path = plan.scratch / "base.pth"
    storage.download_file(key, path)
    what = f"--load-from {uri}"
    content = weights.read(path, what=what)
    found = fit(weights.state_of(content), network_state(config, name=plan.config_file.name))
    found.check(what)
    logger.info("%s fills %s tensors of the network, %s of its backbone", what, found.network, found.backbone)
    base = BaseWeights(
        uri=uri, filled=found.network.filled, of=found.network.of, has_statistics=found.statistics.is_enough
    )
    start = Start(training_id=new_training_id(), base_weights=base, uri=uri, file=path.name, sha256=sha256_file(path))
    return start, content


def _resume_named(plan: TrainingPlan, uri: str) -> tuple[Start, dict[str, Any]]:
    """Start a new training, with an id of its own, from the checkpoint that --resume-from names: it may lie in another
    folder, and later checkpoints there are ignored.
    """
    storage, key = open_parent(uri)
    path = plan.scratch / "resumed.pth"
    try:
        manifest_key = key.removesuffix(".pth") + ".json"
        checkpoint = parse_manifest(manifest_key, storage.read_bytes(manifest_key))
    except NotFound:
        logger.warning("%s has no manifest beside it and cannot be verified", uri)
        storage.download_file(key, path)
        return _resumed(path, uri, {})
    if checkpoint.dataset_digest != plan.dataset.digest:
        raise ConfigError(
            f"--resume-from {uri} was trained on another dataset; start from its weights with --load-from."
        )
    fetch_verified(storage, checkpoint, path)
    return _resumed(path, uri, checkpoint.metrics)


def _resumed(
    path: Path, uri: str, metrics: Mapping[str, float], *, own: Checkpoint | None = None
) -> tuple[Start, dict[str, Any]]:
    content = weights.read(path, what=f"The checkpoint {uri}")
    logger.info("continuing from %s", uri)
    start = Start(
        training_id=own.training_id if own else new_training_id(),
        base_weights=_base_weights_of(content, uri),
        uri=uri,
        file=path.name,
        sha256=own.sha256 if own else sha256_file(path),
        is_resumed=True,
        own=own,
        metrics=metrics,
    )
    return start, content


def _base_weights_of(content: Mapping[str, Any], uri: str) -> BaseWeights | None:
    """Those that a checkpoint's training began with. A checkpoint that mmengine itself wrote says nothing of that: it
    counts as base weights.
    """
    training = content.get("meta", {}).get("training")
    if training is None:
        number = len(weights.state_of(content))
        return BaseWeights(uri=uri, filled=number, of=number, has_statistics=True)
    recorded = training["base_weights"]
    return BaseWeights(**recorded) if recorded else None


def _fetch(plan: TrainingPlan, start: Start) -> dict[str, Any]:
    """Download the file that the main rank chose, in the leader of another node. Raises Transient if it has changed."""
    storage, key = open_parent(builtin.located(str(start.uri)))
    path = plan.scratch / str(start.file)
    storage.download_file(key, path)
    if sha256_file(path) != start.sha256:
        raise Transient(f"{start.uri} changed while the training started; the run is tried again.")
    return weights.read(path, what=start.what)
