"""The heavy half of `training.train`: from checked options to a published model. Importing it takes seconds, since
torch comes along.
"""

import argparse
import itertools
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from training.checkpoint_writer import CheckpointWriter
from training.checkpoints import Checkpoint, CheckpointStore, fetch_verified, new_training_id, parse_manifest
from training.errors import ConfigError, NotFound, Transient, WorkerError
from training.hooks.checkpoint import CheckpointHook, report_points
from training.hooks.loss import LossHook
from training.hooks.progress import ProgressHook
from training.hooks.stop import StopHook
from training.interrupt import StopRequest
from training.metrics import detection_metrics
from training.order import RESUME_AUTO, Order
from training.report import Backoff, Reporter, metric_list
from training.resume import Settings, check_position
from training.storage import open_parent

logger = logging.getLogger(__name__)

END_PATIENCE_S = 900.0  # for a store that does not answer when the training is over
FAILURE_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where the training starts: base weights, a checkpoint to continue from, or neither."""

    training_id: str
    base_weights: bool
    file: Path | None = None
    resumed_from: str | None = None  # the checkpoint's address
    own: Checkpoint | None = None  # that checkpoint, where it is one of this training
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the checkpoint's validation, where they are known


def train(order: Order, *, reporter: Reporter, stop: StopRequest) -> dict[str, Any]:
    """Train, evaluate and publish; returns the model's manifest. All that can be checked is checked before training."""
    order.scratch.mkdir(parents=True, exist_ok=True)
    try:
        return _train(order, reporter=reporter, stop=stop)
    finally:
        shutil.rmtree(order.scratch, ignore_errors=True)


def _train(order: Order, *, reporter: Reporter, stop: StopRequest) -> dict[str, Any]:
    # Said to torch itself: sums over another number of threads differ in their last bits, and with them what continues.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    register_all_modules(init_default_scope=False)
    weights.allow_mmengine_checkpoints()
    loaded = config.load(order.config_file, parse_options(order.config_options))

    resolved = _resolve(loaded, order, base_weights=order.load_from is not None)
    training = _identity(order, resolved)
    published = bundle.find_published(order.destination, training, order.run, scratch=order.scratch)
    if published is not None:
        logger.info("%s was published by this run already and verifies: nothing is trained", order.destination.uri)
        _report_end(reporter, published)
        return published

    start, content = _find_start(order)
    if start.base_weights != (order.load_from is not None):
        resolved = _resolve(loaded, order, base_weights=start.base_weights)
        training = _identity(order, resolved)
    runner = _build_runner(order, resolved, start)
    settings = Settings(
        seed=order.seed,
        demo=order.demo,
        batch_size=runner.train_dataloader.batch_sampler.batch_size,
        iterations_per_epoch=len(runner.train_dataloader),
    )
    if start.resumed_from:
        _check_resumable(content, runner, settings, what=_name(start.resumed_from))
    elif start.file:
        _write_base_weights(start.file, content, runner, what=f"--load-from {order.load_from}")
    del content  # as large as the network and its optimizer; the runner reads the file itself

    classes = order.dataset.facts.classes
    store = CheckpointStore(
        order.checkpoints,
        scratch=order.scratch,
        dataset_digest=order.dataset.digest,
        training_id=start.training_id,
        keep=order.retention,
    )
    writer = CheckpointWriter(store, last=start.own, on_change=partial(report_points, reporter, store))
    if start.own:
        report_points(reporter, store, [start.own])
    checkpoint = CheckpointHook(
        store,
        writer,
        interval=order.interval,
        classes=classes,
        training={"base_weights": start.base_weights, "settings": settings.in_checkpoint()},
    )
    progress = ProgressHook(reporter, classes=classes, metrics=start.metrics)
    for hook in (
        LossHook(lambda: _last_good(writer, store) or start.resumed_from),
        progress,
        checkpoint,
        StopHook(stop, checkpoint, writer, resumed_from=start.resumed_from),
    ):
        runner.register_hook(hook)

    stop.defer()
    try:
        runner.train()
    except Exception:
        _last_good(writer, store)
        raise
    stop.resume()
    writer.wait(END_PATIENCE_S)
    file = _write_weights(order, runner, classes)
    metrics = {"val": progress.metrics, "test": detection_metrics(runner.test(), classes)}
    manifest = _patiently(
        bundle.publish,
        order.destination,
        file,
        config_text=config.text(resolved),
        training=training,
        run=order.run,
        classes=classes,
        metrics=metrics,
        epochs=runner.epoch,
        versions=_versions(),
        scratch=order.scratch,
    )
    logger.info("published %s, test %s", order.destination.uri, metrics["test"])
    _report_end(reporter, manifest)
    return manifest


def _last_good(writer: CheckpointWriter, store: CheckpointStore) -> str | None:
    """Where the last checkpoint is, once what is on its way has arrived: the training is about to fail."""
    try:
        last = writer.wait(FAILURE_PATIENCE_S)
    except WorkerError as error:
        logger.warning("the last checkpoint is lost: %s", error)
        last = writer.last
    return store.uri(last) if last else None


def _patiently(write: Callable[..., dict[str, Any]], *arguments: Any, **keywords: Any) -> dict[str, Any]:
    """What `write` returns, tried again for END_PATIENCE_S: hours of training lie behind it."""
    give_up_s = time.monotonic() + END_PATIENCE_S
    for failures in itertools.count(1):
        try:
            return write(*arguments, **keywords)
        except Transient as error:
            delay_s = Backoff().delay_s(failures)
            if time.monotonic() + delay_s > give_up_s:
                raise
            logger.warning("the model is not published yet, next try in %.0f s: %s", delay_s, error)
            time.sleep(delay_s)
    raise AssertionError("unreachable")


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


def _find_start(order: Order) -> tuple[Start, dict[str, Any]]:
    """The checkpoint to continue from, else the base weights, else nothing; with the content of the file."""
    if order.resume_from == RESUME_AUTO:
        store = CheckpointStore(
            order.checkpoints, scratch=order.scratch, dataset_digest=order.dataset.digest, training_id=""
        )
        found = store.find_newest()
        if found is not None:
            own, path = found
            return _resumed(path, store.uri(own), own.metrics, own=own)
        logger.info("no checkpoint in %s: the training starts afresh", order.checkpoints.uri())
    elif order.resume_from:
        return _resume_named(order, order.resume_from)
    if order.load_from:
        storage, key = open_parent(order.load_from)
        path = order.scratch / "base.pth"
        storage.download_file(key, path)
        content = weights.read(path, what=f"--load-from {order.load_from}")
        return Start(training_id=new_training_id(), base_weights=True, file=path), content
    logger.info("no base weights: the training starts from random ones")
    return Start(training_id=new_training_id(), base_weights=False), {}


def _resume_named(order: Order, uri: str) -> tuple[Start, dict[str, Any]]:
    """The checkpoint that --resume-from names, which starts a training of its own: it may lie in another folder, and
    what followed it there is not continued. One of another dataset is refused: its epochs are not epochs of this one.
    """
    storage, key = open_parent(uri)
    path = order.scratch / "resumed.pth"
    try:
        manifest_key = key.removesuffix(".pth") + ".json"
        checkpoint = parse_manifest(manifest_key, storage.read_bytes(manifest_key))
    except NotFound:
        logger.warning("%s has no manifest beside it, so that it cannot be verified", uri)
        storage.download_file(key, path)
        return _resumed(path, uri, {})
    if checkpoint.dataset_digest != order.dataset.digest:
        raise ConfigError(
            f"--resume-from {uri} was trained on another dataset; start from its weights with --load-from."
        )
    fetch_verified(storage, checkpoint, path)
    return _resumed(path, uri, checkpoint.metrics)


def _resumed(
    path: Path, uri: str, metrics: Mapping[str, float], *, own: Checkpoint | None = None
) -> tuple[Start, dict[str, Any]]:
    content = weights.read(path, what=_name(uri))
    logger.info("continuing from %s", uri)
    start = Start(
        training_id=own.training_id if own else new_training_id(),
        base_weights=bool(content.get("meta", {}).get("training", {}).get("base_weights", False)),
        file=path,
        resumed_from=uri,
        own=own,
        metrics=metrics,
    )
    return start, content


def _name(uri: str) -> str:
    return f"The checkpoint {uri}"


# --------------------------------------------------------------------------------------------------------------- runner


def _build_runner(order: Order, resolved: Any, start: Start) -> Runner:
    """mmengine's Runner on this machine."""
    bound = config.bind(
        resolved,
        config.Placement(
            work_dir=order.work_dir,
            image_folders=order.dataset.image_folders,
            annotation_files=order.dataset.annotation_files,
            max_data_workers=config.data_workers(),
            validate_first=start.resumed_from is not None and not start.metrics,
        ),
    )
    bound["load_from"] = str(start.file) if start.file else None
    bound["resume"] = start.resumed_from is not None
    if torch.cuda.is_available():
        logger.info("training on %s", torch.cuda.get_device_name())
    else:
        logger.warning("no GPU is visible: training on the CPU with %d threads", torch.get_num_threads())
    try:
        return Runner.from_cfg(bound)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The config {order.config_file.name} builds no network: {error}") from error


def _check_resumable(content: Mapping[str, Any], runner: Runner, settings: Settings, *, what: str) -> None:
    """Raise ConfigError where this runner cannot continue the training that the content is of."""
    has_schedule = runner.param_schedulers is not None
    weights.check_resumable(content, runner.model.state_dict(), has_schedule=has_schedule, what=what)
    check_position(content["meta"], settings, epochs=runner.max_epochs, what=what)


def _write_base_weights(path: Path, content: Mapping[str, Any], runner: Runner, *, what: str) -> None:
    """Leave in the file what the network can use of its content."""
    network = runner.model.state_dict()
    base = weights.base_for(weights.state_of(content), network, what=what)
    torch.save({"state_dict": base}, path)
    logger.info("%s fills %d of %d tensors of the network", what, len(base), len(network))


def _write_weights(order: Order, runner: Runner, classes: tuple[str, ...]) -> Path:
    """The model's file: tensors and plain data, which torch's safe loader and mmdet's init_detector open.

    The weights are those of a checkpoint, which hooks may exchange, as EMAHook does for the average. The runner goes on
    with them, so that the test judges what is published.
    """
    path = order.scratch / "model.pth"
    network = getattr(runner.model, "module", runner.model)
    checkpoint = {"meta": {}, "state_dict": network.state_dict(), "message_hub": runner.message_hub.state_dict()}
    runner.call_hook("before_save_checkpoint", checkpoint=checkpoint)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint["state_dict"].items()}
    network.load_state_dict(state)
    meta = {"dataset_meta": {"classes": list(classes)}, "epoch": runner.epoch, "seed": order.seed}
    torch.save({"meta": meta, "state_dict": state}, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


def _versions() -> dict[str, str]:
    modules = {"torch": torch, "mmcv": mmcv, "mmdet": mmdet, "mmengine": mmengine}
    return {name: str(module.__version__) for name, module in modules.items()}
