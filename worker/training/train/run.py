"""Runs a training, from the checked plan to a published model. Importing this takes seconds, since it imports torch."""

import argparse
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmdet.utils import register_all_modules
from mmengine.config import DictAction
from mmengine.runner import Runner

import training.evaluation.metric
import training.train.loop
import training.train.network  # noqa: F401  all three register their classes with mmengine
from training.dataset.layout import MANIFEST_NAME
from training.errors import ConfigError, Failure, WorkerError
from training.model import bundle, config, weights
from training.model.base_weights.record import in_report
from training.model.metrics import detection_metrics
from training.process.backoff import retry_until
from training.process.signals import StopRequest
from training.process.watchdog import Watchdog, step_deadline
from training.progress.report import STAGE_TRAIN, metric_list
from training.progress.reporter import ProgressReporter
from training.progress.senders import NullSender
from training.storage.files import sha256_bytes
from training.train import resolved_config
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.choice import ValidatedWeights
from training.train.checkpoints.store import CheckpointStore, resume_point
from training.train.checkpoints.writer import CheckpointWriter
from training.train.distributed.collectives import from_main, join, meeting_point
from training.train.distributed.launch import Followers
from training.train.distributed.topology import Topology
from training.train.hooks.buffers import BuffersHook
from training.train.hooks.checkpoint import CheckpointHook
from training.train.hooks.divergence import LastGood, LossHook
from training.train.hooks.norm_statistics import NormStatisticsHook
from training.train.hooks.progress import ProgressHook
from training.train.hooks.resumed_optimizer import ResumedOptimizerHook
from training.train.hooks.stop import StopHook
from training.train.hooks.watchdog import WatchdogHook
from training.train.observer import Observer
from training.train.plan import STOP_DEADLINE_S, TrainingPlan
from training.train.result.published_weights import find_published_weights
from training.train.result.weights_file import settle_weights, write_weights
from training.train.runner import build_runner, check_capacity, prepare_start, settings_of, versions
from training.train.starting_point import Start, find_start

logger = logging.getLogger(__name__)
ALONE = Topology()
END_PATIENCE_S = 900.0  # how long to wait for an unavailable storage after the training
FAILURE_PATIENCE_S = 60.0  # the same when the training fails


@dataclass(frozen=True, kw_only=True)
class ResolvedTraining:
    """The resolved config, which is free of paths, and what identifies the model trained by it.

    `text` is the config as it is published; its sha256 identifies it.
    """

    config: Any
    text: str
    identity: bundle.Training


@dataclass(frozen=True, kw_only=True)
class BuiltTraining:
    """A training that this rank can start: all checks are done, all hooks registered."""

    runner: Runner
    checkpoints: CheckpointStore
    writer: CheckpointWriter
    progress: ProgressHook
    last_good: LastGood


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A trained model and its metrics by split. Its weights are those after `epoch` of the training's `epochs`. `file`
    exists in the main rank only.
    """

    file: Path
    metrics: Mapping[str, Mapping[str, float]]
    epoch: int
    epochs: int
    warnings: Sequence[bundle.ModelWarning]


def train(
    plan: TrainingPlan,
    *,
    reporter: ProgressReporter,
    stop: StopRequest,
    topology: Topology = ALONE,
    meeting: Any = None,
) -> dict[str, Any]:
    """Train, evaluate and publish. Returns the model's manifest in the main rank, an empty dict in the others.

    All checks come before the training. `topology` says which rank this process is; `meeting` is the ranks'
    `meeting_point`.
    """
    plan.scratch.mkdir(parents=True, exist_ok=True)
    if plan.device.is_gpu:
        torch.cuda.set_device(topology.process)  # fails where mmengine would train on the CPU instead
    if topology.ranks > 1:
        join(topology, meeting, has_gpu=plan.device.is_gpu)
    try:
        with Observer(plan, is_main=topology.is_main) as observer:
            return _train(plan, reporter=reporter, stop=stop, topology=topology, observer=observer)
    finally:
        if topology.is_leader:
            shutil.rmtree(plan.scratch, ignore_errors=True)


def follow(plan: TrainingPlan, topology: Topology) -> None:
    """Run `train` in a rank that this node's leader started. It reports nothing and writes no termination message."""
    with (
        StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=lambda _: None) as stop,
        ProgressReporter(NullSender(), stage=STAGE_TRAIN) as reporter,
    ):
        train(plan, reporter=reporter, stop=stop, topology=topology, meeting=meeting_point(topology))


def lead(
    plan: TrainingPlan,
    *,
    topology: Topology,
    reporter: ProgressReporter,
    stop: StopRequest,
    on_failure: Callable[[Failure], None],
) -> dict[str, Any]:
    """Run `train` in all ranks of this node, of which this process is the first.

    Returns the model's manifest on the main node, an empty dict on others. `on_failure` writes the termination message,
    as that of StopRequest does.
    """
    if topology.ranks == 1:
        return train(plan, reporter=reporter, stop=stop)
    meeting = meeting_point(topology)
    topology = replace(topology, port=meeting.port)
    with Followers(follow, plan, topology, on_failure=on_failure) as followers:
        try:
            return train(plan, reporter=reporter, stop=stop, topology=topology, meeting=meeting)
        except Exception as error:
            cause = followers.cause(error)
            if cause is error:
                raise
            raise cause from error


def _train(
    plan: TrainingPlan, *, reporter: ProgressReporter, stop: StopRequest, topology: Topology, observer: Observer
) -> dict[str, Any]:
    """Resolve the config, build, fit and publish. Runs in all ranks; only the main one publishes."""
    _set_up_torch()
    has_base = plan.load_from is not None
    resolved = _resolve(plan, topology, base_weights=has_base, norm_statistics=has_base)
    published = _find_published(plan, resolved)
    if published is not None:
        _report_end(reporter, published)
        return published
    start, content = find_start(plan, resolved.config, topology)
    reporter.update(baseWeights=in_report(start.base_weights))
    if (start.base_weights is not None, start.has_norm_statistics) != (has_base, has_base):
        resolved = _resolve(
            plan, topology, base_weights=start.base_weights is not None, norm_statistics=start.has_norm_statistics
        )

    built = _build(plan, resolved, start, content, reporter=reporter, stop=stop, topology=topology, observer=observer)
    fitted = _fit(plan, built, start, stop=stop, topology=topology)
    if not topology.is_main:
        return {}
    manifest = _publish(plan, resolved, start, fitted)
    observer.published(manifest["uri"], fitted.warnings)
    _report_end(reporter, manifest)
    return manifest


def _set_up_torch() -> None:
    # Set explicitly: sums over another number of threads differ in the last bits, and a resumed training would diverge.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    register_all_modules(init_default_scope=False)
    weights.allow_mmengine_checkpoints()


def _resolve(plan: TrainingPlan, topology: Topology, *, base_weights: bool, norm_statistics: bool) -> ResolvedTraining:
    loaded = config.load(plan.config_file, parse_config_options(plan.config_options), base_weights=base_weights)
    epochs = plan.epochs
    if plan.demo:
        epochs = min(epochs or 1, 2)
    choices = resolved_config.Choices(
        epochs=epochs, seed=plan.seed, norm_statistics=norm_statistics, ranks=topology.ranks, amp=plan.amp
    )
    resolved = resolved_config.resolve(loaded, plan.dataset.facts, choices)
    text = config.text(resolved)
    identity = bundle.Training(
        dataset_digest=plan.dataset.digest,
        dataset_manifest=f"{plan.dataset.uri}/{MANIFEST_NAME}",
        config_sha256=sha256_bytes(text.encode()),
        seed=plan.seed,
        demo=plan.demo,
    )
    return ResolvedTraining(config=resolved, text=text, identity=identity)


def _find_published(plan: TrainingPlan, resolved: ResolvedTraining) -> dict[str, Any] | None:
    """The model's manifest, if an earlier attempt of this run has published it already."""
    published = from_main(
        lambda: bundle.find_published(plan.destination, resolved.identity, plan.run, scratch=plan.scratch)
    )
    if published is not None:
        logger.info("%s was published by this run already and verifies: nothing is trained", plan.destination.uri)
    return published


def _build(
    plan: TrainingPlan,
    resolved: ResolvedTraining,
    start: Start,
    content: dict[str, Any],
    *,
    reporter: ProgressReporter,
    stop: StopRequest,
    topology: Topology,
    observer: Observer,
) -> BuiltTraining:
    """Build the runner, check that it fits this machine, and register the hooks.

    `content`, that of the start's file, is cleared: it takes as much memory as the network and its optimizer.
    """
    runner = build_runner(plan, resolved.config, start, topology)
    check_capacity(plan, runner, topology)
    settings = settings_of(plan, runner, topology)
    prepare_start(runner, start, content, scratch=plan.scratch, settings=settings, topology=topology)
    content.clear()  # the runner reads the file itself

    classes = plan.dataset.facts.classes
    checkpoints = CheckpointStore(
        plan.checkpoints,
        scratch=plan.scratch,
        dataset_digest=plan.dataset.digest,
        training_id=start.training_id,
        keep=plan.retention,
    )

    def on_change(kept: Sequence[Checkpoint]) -> None:
        tell_resume_points(reporter, checkpoints, kept)
        observer.checkpoints_changed(checkpoints, kept)

    writer = CheckpointWriter(checkpoints, last=start.own, on_change=on_change)
    if start.own and topology.is_main:
        tell_resume_points(reporter, checkpoints, [start.own])

    def last_good() -> str | None:
        return _last_good(writer, checkpoints) or start.resumed_from

    checkpoint = CheckpointHook(
        checkpoints,
        writer,
        interval=plan.interval,
        classes=classes,
        training={
            "base_weights": start.base_weights.in_checkpoint() if start.base_weights else None,
            "settings": settings.in_checkpoint(),
        },
        last_good=last_good,
    )
    reporter.update(device=plan.device.in_report())
    frozen_from = resolved_config.norm_frozen_from(resolved.config)
    progress = ProgressHook(reporter, classes=classes, metrics=start.metrics, images_per_step=settings.batch_size)
    for hook in (
        LossHook(last_good),
        progress,
        checkpoint,
        StopHook(stop, checkpoint, writer, resumed_from=start.resumed_from),
        BuffersHook(),
        *([] if frozen_from is None else [NormStatisticsHook(frozen_from)]),
        ResumedOptimizerHook(),
        *observer.hooks(
            reporter,
            training_id=start.training_id,
            resumed_from=start.resumed_from,
            images_per_step=settings.batch_size,
            versions=versions(),
        ),
        WatchdogHook(Watchdog(step_deadline(), stop, settle=last_good)),
    ):
        runner.register_hook(hook)
    return BuiltTraining(runner=runner, checkpoints=checkpoints, writer=writer, progress=progress, last_good=last_good)


def _fit(
    plan: TrainingPlan, built: BuiltTraining, start: Start, *, stop: StopRequest, topology: Topology
) -> FittedModel:
    runner, classes = built.runner, plan.dataset.facts.classes
    stop.defer()
    try:
        runner.train()
    except Exception:
        built.last_good()
        raise
    stop.resume()
    give_up_s = time.monotonic() + END_PATIENCE_S
    built.writer.wait(END_PATIENCE_S)
    last = ValidatedWeights(epoch=runner.epoch, metrics=built.progress.metrics)
    published = find_published_weights(
        plan.publish, built.checkpoints, last, base_weights=bool(start.base_weights), give_up_s=give_up_s
    )
    settle_weights(runner, published.state, built.last_good)
    epoch, metrics = published.validated.epoch, published.validated.metrics
    file = write_weights(plan, runner, classes, topology, epoch=epoch)
    test = detection_metrics(runner.test(), classes)
    return FittedModel(
        file=file,
        metrics={"val": metrics, "test": test},
        epoch=epoch,
        epochs=runner.epoch,
        warnings=published.warnings,
    )


def _publish(plan: TrainingPlan, resolved: ResolvedTraining, start: Start, fitted: FittedModel) -> dict[str, Any]:
    """Publish the model and return its manifest."""

    def publish() -> dict[str, Any]:
        return bundle.publish(
            plan.destination,
            fitted.file,
            config_text=resolved.text,
            training=resolved.identity,
            run=plan.run,
            classes=plan.dataset.facts.classes,
            metrics=fitted.metrics,
            epoch=fitted.epoch,
            epochs=fitted.epochs,
            publishes=plan.publish,
            warnings=fitted.warnings,
            base_weights=start.base_weights.in_manifest() if start.base_weights else None,
            device=plan.device.in_report(),
            versions=versions(),
            scratch=plan.scratch,
        )

    give_up_s = time.monotonic() + END_PATIENCE_S
    manifest = retry_until(give_up_s, publish, trouble="the model is not published yet")
    logger.info("published %s, test %s", plan.destination.uri, fitted.metrics["test"])
    for warning in fitted.warnings:
        logger.warning("%s", warning.message)
    return manifest


def _last_good(writer: CheckpointWriter, store: CheckpointStore) -> str | None:
    """The URI of the last checkpoint, after waiting for the one that is being stored: the training is about to fail."""
    try:
        last = writer.wait(FAILURE_PATIENCE_S)
    except WorkerError as error:
        logger.warning("the last checkpoint is lost: %s", error)
        last = writer.last
    return store.uri(last) if last else None


def _report_end(reporter: ProgressReporter, manifest: Mapping[str, Any]) -> None:
    """Report the end of the training; if nothing had to be trained, this is all that is ever reported."""
    epochs, metrics = manifest["epochs"], manifest["metrics"].get("val", {})
    reporter.update(percent=100.0, epoch=epochs, totalEpochs=epochs, etaSeconds=0, metrics=metric_list(metrics))


def parse_config_options(options: Sequence[str]) -> dict[str, Any]:
    """Parse `--cfg-options a.b=1 c=[2,3]` as mmengine's own tools do. Raises ConfigError."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    try:
        found = parser.parse_args(["--cfg-options", *options]).cfg_options if options else {}
    except (argparse.ArgumentError, ValueError, AssertionError, IndexError) as error:
        raise ConfigError(f"--cfg-options {' '.join(options)} cannot be read ({error}); write name=value.") from error
    return dict(found)


def tell_resume_points(reporter: ProgressReporter, store: CheckpointStore, checkpoints: Sequence[Checkpoint]) -> None:
    """Report urgently the checkpoints that a retry can resume from, the newest last."""
    logger.info("checkpoint %s, iteration %d", store.uri(checkpoints[-1]), checkpoints[-1].iteration)
    reporter.update(urgent=True, resumePoints=[resume_point(store, checkpoint) for checkpoint in checkpoints])
