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
from dataclasses import replace
from typing import Any

import torch
from mmdet.utils import register_all_modules
from mmengine.config import DictAction
from mmengine.dist import barrier

import training.train.loop  # noqa: F401  registers the exact loop and what belongs to it
from training.dataset.layout import MANIFEST_NAME
from training.errors import ConfigError, Failure, Transient, WorkerError
from training.model import bundle, config, weights
from training.model.metrics import detection_metrics
from training.process.backoff import Backoff
from training.process.signals import StopRequest
from training.progress.report import STAGE_TRAIN, metric_list
from training.progress.reporter import Reporter
from training.progress.senders import NullSender
from training.train import resolved_config
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.store import CheckpointStore, resume_point
from training.train.checkpoints.writer import CheckpointWriter
from training.train.distributed.collectives import from_main, join, meeting_point
from training.train.distributed.launch import Followers
from training.train.distributed.topology import Topology
from training.train.hooks.checkpoint import CheckpointHook
from training.train.hooks.divergence import LossHook
from training.train.hooks.progress import ProgressHook
from training.train.hooks.stop import StopHook
from training.train.observer import Observer
from training.train.plan import STOP_DEADLINE_S, Order
from training.train.resume_position import Settings
from training.train.runner import (
    build_runner,
    check_capacity,
    check_resumable,
    versions,
    write_base_weights,
    write_weights,
)
from training.train.starting_point import find_start

logger = logging.getLogger(__name__)
ALONE = Topology()
END_PATIENCE_S = 900.0  # for a store that does not answer when the training is over
FAILURE_PATIENCE_S = 60.0


def train(
    order: Order, *, reporter: Reporter, stop: StopRequest, topology: Topology = ALONE, store: Any = None
) -> dict[str, Any]:
    """Train, evaluate and publish; returns the model's manifest, in the main rank. All that can be checked is checked
    before training.

    `topology` says which rank this process is, `store` where they meet.
    """
    order.scratch.mkdir(parents=True, exist_ok=True)
    if topology.ranks > 1:
        join(topology, store)
    try:
        with Observer(order, is_main=topology.is_main) as observer:
            return _train(order, reporter=reporter, stop=stop, topology=topology, observer=observer)
    finally:
        if topology.is_leader:
            shutil.rmtree(order.scratch, ignore_errors=True)


def follow(order: Order, topology: Topology) -> None:
    """`train` in another rank than the main one, which tells and writes nothing."""
    with (
        StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=lambda _: None) as stop,
        Reporter(NullSender(), stage=STAGE_TRAIN) as reporter,
    ):
        train(order, reporter=reporter, stop=stop, topology=topology, store=meeting_point(topology))


def lead(
    order: Order,
    *,
    processes: int | None,
    reporter: Reporter,
    stop: StopRequest,
    on_failure: Callable[[Failure], None],
) -> dict[str, Any]:
    """`train` in all ranks of this node; `processes` of them, else one for each GPU. Returns the model's manifest in
    the main rank, nothing on other nodes. `on_failure` is what StopRequest's is.
    """
    gpus = torch.cuda.device_count()
    if processes and gpus and processes > gpus:
        raise ConfigError(f"--processes is {processes}, but {gpus} GPUs are visible; each process needs its own.")
    topology = Topology.from_env(os.environ, processes=processes or max(1, gpus))
    if topology.ranks == 1:
        return train(order, reporter=reporter, stop=stop)
    store = meeting_point(topology)
    topology = replace(topology, port=store.port)
    with Followers(follow, order, topology, on_failure=on_failure) as followers:
        try:
            return train(order, reporter=reporter, stop=stop, topology=topology, store=store)
        except Exception as error:
            cause = followers.cause(error)
            if cause is error:
                raise
            raise cause from error


def _train(
    order: Order, *, reporter: Reporter, stop: StopRequest, topology: Topology, observer: Observer
) -> dict[str, Any]:
    # Said to torch itself: sums over another number of threads differ in their last bits, and with them what continues.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    register_all_modules(init_default_scope=False)
    weights.allow_mmengine_checkpoints()
    loaded = config.load(order.config_file, parse_options(order.config_options))

    resolved = _resolve(loaded, order, topology, base_weights=order.load_from is not None)
    training = _identity(order, resolved)
    published = from_main(lambda: bundle.find_published(order.destination, training, order.run, scratch=order.scratch))
    if published is not None:
        logger.info("%s was published by this run already and verifies: nothing is trained", order.destination.uri)
        _report_end(reporter, published)
        return published

    start, content = find_start(order, topology)
    if start.base_weights != (order.load_from is not None):
        resolved = _resolve(loaded, order, topology, base_weights=start.base_weights)
        training = _identity(order, resolved)
    runner = build_runner(order, resolved, start, topology)
    check_capacity(order, runner, topology)
    settings = Settings(
        seed=order.seed,
        demo=order.demo,
        batch_size=runner.train_dataloader.batch_sampler.batch_size * topology.ranks,
        iterations_per_epoch=len(runner.train_dataloader),
    )
    if start.is_resumed:
        runner.train_loop.first_iteration = from_main(
            lambda: check_resumable(content, runner, settings, what=start.what)
        )
    elif start.file:
        if topology.is_leader:
            write_base_weights(order.scratch / start.file, content, runner, what=start.what)
        barrier()
    content.clear()  # as large as the network and its optimizer; the runner reads the file itself

    classes = order.dataset.facts.classes
    checkpoints = CheckpointStore(
        order.checkpoints,
        scratch=order.scratch,
        dataset_digest=order.dataset.digest,
        training_id=start.training_id,
        keep=order.retention,
    )

    def on_change(kept: Sequence[Checkpoint]) -> None:
        report_points(reporter, checkpoints, kept)
        observer.checkpoints_changed(checkpoints, kept)

    writer = CheckpointWriter(checkpoints, last=start.own, on_change=on_change)
    if start.own and topology.is_main:
        report_points(reporter, checkpoints, [start.own])
    checkpoint = CheckpointHook(
        checkpoints,
        writer,
        interval=order.interval,
        classes=classes,
        training={"base_weights": start.base_weights, "settings": settings.in_checkpoint()},
    )
    progress = ProgressHook(reporter, classes=classes, metrics=start.metrics, images_per_step=settings.batch_size)
    for hook in (
        LossHook(lambda: _last_good(writer, checkpoints) or start.resumed_from),
        progress,
        checkpoint,
        StopHook(stop, checkpoint, writer, resumed_from=start.resumed_from),
        *observer.hooks(
            reporter,
            training_id=start.training_id,
            resumed_from=start.resumed_from,
            images_per_step=settings.batch_size,
            versions=versions(),
        ),
    ):
        runner.register_hook(hook)

    stop.defer()
    try:
        runner.train()
    except Exception:
        _last_good(writer, checkpoints)
        raise
    stop.resume()
    writer.wait(END_PATIENCE_S)
    file = write_weights(order, runner, classes, topology)
    metrics = {"val": progress.metrics, "test": detection_metrics(runner.test(), classes)}
    if not topology.is_main:
        return {}
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
        versions=versions(),
        scratch=order.scratch,
    )
    logger.info("published %s, test %s", order.destination.uri, metrics["test"])
    observer.published(manifest["uri"])
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


def _resolve(loaded: Any, order: Order, topology: Topology, *, base_weights: bool) -> Any:
    epochs = order.epochs
    if order.demo:
        epochs = min(epochs or 1, 2)
    choices = resolved_config.Choices(epochs=epochs, seed=order.seed, base_weights=base_weights, ranks=topology.ranks)
    return resolved_config.resolve(loaded, order.dataset.facts, choices)


def _identity(order: Order, resolved: Any) -> bundle.Training:
    return bundle.Training(
        dataset_digest=order.dataset.digest,
        dataset_manifest=f"{order.dataset.uri}/{MANIFEST_NAME}",
        config_sha256=config.sha256(resolved),
        seed=order.seed,
        demo=order.demo,
    )


def report_points(reporter: Reporter, store: CheckpointStore, checkpoints: Sequence[Checkpoint]) -> None:
    """Tell at once which checkpoints there are, the newest last."""
    logger.info("checkpoint %s, iteration %d", store.uri(checkpoints[-1]), checkpoints[-1].iteration)
    reporter.report(urgent=True, resumePoints=[resume_point(store, checkpoint) for checkpoint in checkpoints])
