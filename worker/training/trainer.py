"""The heavy half of `training.train`: from checked options to a published model. Importing it takes seconds, since
torch comes along.
"""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import mmengine
import torch
from mmdet.utils import register_all_modules
from mmengine.config import DictAction
from mmengine.runner import Runner

import training.loop  # noqa: F401  registers the exact loop and what belongs to it
from training import bundle, config, weights
from training.checkpoints import Checkpoint, CheckpointStore, fetch_verified, new_training_id, parse_manifest
from training.errors import ConfigError, NotFound
from training.hooks.checkpoint import CheckpointHook
from training.hooks.loss import LossHook
from training.hooks.progress import ProgressHook
from training.hooks.stop import StopHook
from training.interrupt import StopRequest
from training.metrics import detection_metrics
from training.order import Order
from training.report import Reporter, metric_list
from training.storage import open_parent

logger = logging.getLogger(__name__)

RESUME_AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where the training starts: base weights, a checkpoint to continue from, or neither."""

    training_id: str
    base_weights: bool
    file: Path | None = None
    content: Mapping[str, Any] | None = None
    resumed: bool = False
    checkpoint: Checkpoint | None = None  # of the resumed file, where it has a manifest
    name: str = ""  # for messages


def train(order: Order, *, reporter: Reporter, stop: StopRequest) -> dict[str, Any]:
    """Train, evaluate and publish; returns the model's manifest. All that can be checked is checked before training."""
    # Said to torch itself: sums over another number of threads differ in their last bits, and with them what continues.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    register_all_modules(init_default_scope=False)
    weights.allow_mmengine_checkpoints()
    order.scratch.mkdir(parents=True, exist_ok=True)
    loaded = config.load(order.config_file, parse_options(order.config_options))

    resolved = _resolve(loaded, order, base_weights=order.load_from is not None)
    training = _identity(order, resolved)
    published = bundle.find_published(order.destination, training, order.run, scratch=order.scratch)
    if published is not None:
        logger.info("%s was published by this run already and verifies: nothing is trained", order.destination.uri)
        _report_end(reporter, published)
        return published

    start = _find_start(order)
    if start.base_weights != (order.load_from is not None):
        resolved = _resolve(loaded, order, base_weights=start.base_weights)
        training = _identity(order, resolved)
    runner = _build_runner(order, resolved, start)
    classes = order.dataset.facts.classes
    store = CheckpointStore(
        order.checkpoints,
        scratch=order.scratch,
        dataset_digest=order.dataset.digest,
        training_id=start.training_id,
    )
    checkpoint = CheckpointHook(
        store, reporter, classes=classes, base_weights=start.base_weights, last=start.checkpoint
    )
    progress = ProgressHook(reporter, classes=classes, metrics=start.checkpoint.metrics if start.checkpoint else {})
    for hook in (LossHook(lambda: checkpoint.last_uri), progress, checkpoint, StopHook(stop, checkpoint)):
        runner.register_hook(hook)

    stop.defer()
    runner.train()
    stop.resume()
    if start.file is not None:
        start.file.unlink(missing_ok=True)
    metrics = {"val": progress.metrics, "test": detection_metrics(runner.test(), classes)}
    file = _write_weights(order, runner, classes)
    try:
        manifest = bundle.publish(
            order.destination,
            file,
            config_text=config.text(resolved),
            training=training,
            run=order.run,
            classes=classes,
            metrics=metrics,
            epochs=runner.max_epochs,
            versions=_versions(),
            scratch=order.scratch,
        )
    finally:
        file.unlink(missing_ok=True)
    logger.info("published %s, test %s", order.destination.uri, metrics["test"])
    _report_end(reporter, manifest)
    return manifest


def _report_end(reporter: Reporter, manifest: Mapping[str, Any]) -> None:
    """Also where nothing had to be done: a report says all that is known."""
    epochs, metrics = manifest["epochs"], manifest["metrics"].get("val", {})
    reporter.report(percent=100.0, epoch=epochs, totalEpochs=epochs, etaSeconds=0, metrics=metric_list(metrics))


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """`--cfg-options a.b=1 c=[2,3]` as mmengine's own tools read them. Raises ConfigError."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    try:
        found = parser.parse_args(["--cfg-options", *options]).cfg_options if options else {}
    except (argparse.ArgumentError, ValueError, AssertionError, IndexError) as error:
        raise ConfigError(f"--cfg-options {' '.join(options)} cannot be read ({error}); write name=value.") from error
    return dict(found)


def _resolve(loaded: Any, order: Order, *, base_weights: bool) -> Any:
    epochs = order.epochs
    if order.demo:
        epochs = min(epochs or 1, 2)
    choices = config.Choices(epochs=epochs, seed=order.seed, base_weights=base_weights)
    return config.resolve(loaded, order.dataset.facts, choices)


def _identity(order: Order, resolved: Any) -> bundle.Training:
    return bundle.Training(
        dataset_digest=order.dataset.digest,
        config_sha256=config.sha256(resolved),
        seed=order.seed,
        demo=order.demo,
    )


# ---------------------------------------------------------------------------------------------------------------- start


def _find_start(order: Order) -> Start:
    """The checkpoint to continue from, else the base weights, else nothing. Both files are downloaded and read."""
    if order.resume_from == RESUME_AUTO:
        store = CheckpointStore(
            order.checkpoints, scratch=order.scratch, dataset_digest=order.dataset.digest, training_id=""
        )
        found = store.find_newest()
        if found is not None:
            return _resumed(found[1], store.uri(found[0]), found[0])
        logger.info("no checkpoint in %s: the training starts afresh", order.checkpoints.uri())
    elif order.resume_from:
        return _resume_named(order, order.resume_from)
    if order.load_from:
        storage, key = open_parent(order.load_from)
        path = order.scratch / "base.pth"
        storage.download_file(key, path)
        return Start(
            training_id=new_training_id(),
            base_weights=True,
            file=path,
            content=weights.read(path, what=f"--load-from {order.load_from}"),
            name=f"--load-from {order.load_from}",
        )
    logger.info("no base weights: the training starts from random ones")
    return Start(training_id=new_training_id(), base_weights=False)


def _resume_named(order: Order, uri: str) -> Start:
    """The checkpoint that --resume-from names. One of another dataset is refused: its epochs are not epochs of this
    one.
    """
    storage, key = open_parent(uri)
    path = order.scratch / "resumed.pth"
    try:
        manifest_key = key.removesuffix(".pth") + ".json"
        checkpoint = parse_manifest(manifest_key, storage.read_bytes(manifest_key))
    except NotFound:
        logger.warning("%s has no manifest beside it, so that it cannot be verified", uri)
        storage.download_file(key, path)
        return _resumed(path, uri, None)
    if checkpoint.dataset_digest != order.dataset.digest:
        raise ConfigError(
            f"--resume-from {uri} was trained on another dataset; start from its weights with --load-from."
        )
    fetch_verified(storage, checkpoint, path)
    return _resumed(path, uri, checkpoint)


def _resumed(path: Path, uri: str, checkpoint: Checkpoint | None) -> Start:
    name = f"The checkpoint {uri}"
    content = weights.read(path, what=name)
    training = content.get("meta", {}).get("training", {})
    logger.info("continuing from %s", uri)
    return Start(
        training_id=str(training.get("id") or new_training_id()),
        base_weights=bool(training.get("base_weights", False)),
        file=path,
        content=content,
        resumed=True,
        checkpoint=checkpoint,
        name=name,
    )


# --------------------------------------------------------------------------------------------------------------- runner


def _build_runner(order: Order, resolved: Any, start: Start) -> Runner:
    """mmengine's Runner on this machine, with weights that are known to fit."""
    bound = config.bind(
        resolved,
        config.Placement(
            work_dir=order.work_dir,
            image_folders=order.dataset.image_folders,
            annotation_files=order.dataset.annotation_files,
            max_data_workers=config.data_workers(),
            validate_first=start.resumed and not (start.checkpoint and start.checkpoint.metrics),
        ),
    )
    bound["load_from"] = str(start.file) if start.file else None
    bound["resume"] = start.resumed
    if torch.cuda.is_available():
        logger.info("training on %s", torch.cuda.get_device_name())
    else:
        logger.warning("no GPU is visible: training on the CPU with %d threads", torch.get_num_threads())
    try:
        runner = Runner.from_cfg(bound)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The config {order.config_file.name} builds no network: {error}") from error
    if start.file is not None and start.content is not None:
        network = runner.model.state_dict()
        if start.resumed:
            weights.check_resumable(start.content, network, what=start.name)
        else:
            base = weights.base_for(weights.state_of(start.content), network, what=start.name)
            torch.save({"state_dict": base}, start.file)
            logger.info("%s fills %d of %d tensors of the network", start.name, len(base), len(network))
    return runner


def _write_weights(order: Order, runner: Runner, classes: tuple[str, ...]) -> Path:
    """The model's file: tensors and plain data, which torch's safe loader and mmdet's init_detector open."""
    path = order.scratch / "model.pth"
    network = getattr(runner.model, "module", runner.model)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    meta = {"dataset_meta": {"classes": list(classes)}, "epoch": runner.max_epochs, "seed": order.seed}
    torch.save({"meta": meta, "state_dict": state}, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


def _versions() -> dict[str, str]:
    modules = {"torch": torch, "mmcv": mmcv, "mmdet": mmdet, "mmengine": mmengine}
    return {name: str(module.__version__) for name, module in modules.items()}
