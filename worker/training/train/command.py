"""The command `python3 -m training.train`: a prepared dataset in, a trained and published table detector out.

To fail within seconds, options, dataset, config file, weights and the places to write to are checked here, before torch
is imported; the rest is done by `training.train.run`.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.dataset.training_set import open_training_set
from training.device.choice import DEVICE_HELP, DEVICES, choose_gpus
from training.device.device import Device
from training.errors import ConfigError, Failure, Interrupted, NotFound
from training.model import bundle, config
from training.model.base_weights import builtin
from training.options import OptionParser, positive_integer, positive_number, whole_number
from training.process.exit import run_command
from training.process.logs import start_logging
from training.process.run_identity import RunIdentity
from training.process.signals import StopRequest
from training.progress.report import STAGE_TRAIN, JsonObject
from training.progress.reporter import ProgressReporter
from training.progress.senders import NullSender
from training.progress.termination import failed_message, model_message, node_message, write_termination
from training.storage.uri import open_parent, open_storage
from training.train import resolved_config
from training.train.checkpoints.checkpoint import CheckpointInterval, Retention
from training.train.checkpoints.choice import BEST, LAST, Publish
from training.train.distributed.topology import Topology
from training.train.plan import RESUME_AUTO, STOP_DEADLINE_S, TrainingPlan

logger = logging.getLogger(__name__)
DEMO_PAGES = 8  # that a demo uses of each split


@dataclass(frozen=True, kw_only=True)
class Options:
    """The parsed command line."""

    dataset: str
    work_dir: Path
    load_from: str | None
    resume_from: str | None
    config: str
    model_output: str
    epochs: int | None
    demo: bool
    checkpoint_output: str
    interval: CheckpointInterval
    retention: Retention
    device: str  # one of DEVICES
    publish: Publish
    processes: int | None
    seed: int
    amp: str
    config_options: tuple[str, ...]
    verbose: bool


def parse_options(arguments: Sequence[str]) -> Options:
    """Parse the command line. Raises ConfigError for invalid options, SystemExit for --help."""
    parser = OptionParser(
        prog="python3 -m training.train", description="Trains a table detector on a prepared dataset."
    )
    parser.add_argument("dataset", help="the ttv folder that preprocess made: a path or s3://bucket/…/ttv")
    parser.add_argument("working_dir", type=Path, help="folder for logs, checkpoints and downloads")
    parser.add_argument(
        "--load-from",
        metavar="MODEL",
        help="base weights: a path, s3://, or builtin://name for those that ship (default: random initial weights)",
    )
    parser.add_argument(
        "--resume-from",
        metavar="CHECKPOINT",
        help="checkpoint to resume from: a path, s3://, or auto for the newest one in --checkpoint-output",
    )
    parser.add_argument(
        "--config",
        default=config.DEFAULT_CONFIG,
        metavar="CONFIG",
        help="mmdetection config, executed as Python: name of a built-in one, path or s3:// (default: %(default)s)",
    )
    parser.add_argument(
        "--model_output", required=True, metavar="MODEL", help="where to publish the model: a path or s3://"
    )
    parser.add_argument(
        "--num-epoch", type=positive_integer, metavar="N", help="number of epochs (default: that of the config)"
    )
    parser.add_boolean("--demo", description="train for a short time on a few pages, to see that everything works")
    parser.add_argument(
        "--checkpoint-output",
        metavar="FOLDER",
        help="where to store checkpoints: a path or s3:// (default: checkpoints in the working folder)",
    )
    parser.add_argument(
        "--checkpoint-every-epochs",
        type=positive_integer,
        default=CheckpointInterval.epochs,
        metavar="N",
        help="store a checkpoint after every N-th epoch, and after the last (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-every-minutes",
        type=positive_number,
        default=CheckpointInterval.minutes,
        metavar="M",
        help="also store one when the last is M minutes old, even within an epoch (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-last",
        type=positive_integer,
        default=Retention.last,
        metavar="N",
        help="keep the newest N checkpoints (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-best",
        type=whole_number,
        default=Retention.best,
        metavar="N",
        help="also keep the best N checkpoints by bbox_mAP on val (default: %(default)s)",
    )
    parser.add_argument("--device", default="auto", choices=DEVICES, help=f"{DEVICE_HELP} (default: %(default)s)")
    parser.add_argument(
        "--publish",
        choices=(LAST, BEST),
        default=LAST,
        help="publish the last weights, or those of the best kept checkpoint by bbox_mAP on val (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=positive_integer,
        metavar="N",
        help="processes that train together on this machine, each on a GPU of its own (default: one for each GPU)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    parser.add_argument(
        "--amp",
        choices=resolved_config.AMP,
        default="off",
        help="mixed precision: bf16, or fp16 for GPUs without it (default: %(default)s, which leaves it to the config)",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="NAME=VALUE", help="override settings of the config"
    )
    parser.add_boolean("--verbose", description="log more, and print a traceback with every failure")
    found = parser.parse_args(list(arguments))
    if not 0 <= found.seed < 2**32:
        raise ConfigError(f"--seed {found.seed} is not within 0..4294967295.")
    if found.publish == BEST and found.keep_best < 1:
        raise ConfigError("--publish best needs --keep-best of at least 1: no best checkpoint would be kept.")
    for option in found.cfg_options:
        if "=" not in option:
            raise ConfigError(f"--cfg-options {option} is not of the form name=value.")
    return Options(
        dataset=found.dataset,
        work_dir=found.working_dir.absolute(),
        load_from=found.load_from or None,
        resume_from=found.resume_from or None,
        config=found.config or config.DEFAULT_CONFIG,
        model_output=found.model_output,
        epochs=found.num_epoch,
        demo=found.demo,
        checkpoint_output=found.checkpoint_output or str(found.working_dir.absolute() / "checkpoints"),
        interval=CheckpointInterval(epochs=found.checkpoint_every_epochs, minutes=found.checkpoint_every_minutes),
        retention=Retention(last=found.keep_last, best=found.keep_best),
        device=found.device,
        publish=found.publish,
        processes=found.processes,
        seed=found.seed,
        amp=found.amp,
        config_options=tuple(found.cfg_options),
        verbose=found.verbose,
    )


def choose_device(options: Options, environ: Mapping[str, str]) -> tuple[Device, Topology]:
    """What to train on, and the ranks that do. Raises GPUUnavailable if fewer GPUs can be used than were asked for."""
    topology = Topology.from_env(environ, processes=options.processes or 1)
    asked = topology.processes if topology.started_elsewhere else options.processes
    gpus = choose_gpus(options.device, asked=asked)
    if not topology.started_elsewhere:
        topology = replace(topology, processes=options.processes or max(1, len(gpus)))
    return Device.of(gpus, ranks=topology.ranks), topology


def prepare(options: Options, device: Device) -> TrainingPlan:
    """Check what needs no torch, the cheapest first, and bring config and dataset here. Raises the typed errors."""
    try:
        options.work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The working folder {options.work_dir} cannot be made: {error.strerror}.") from error
    place = bundle.destination(options.model_output)
    config_file = config.find(options.config, download_to=options.work_dir / "config")
    for name, uri in (("--load-from", options.load_from), ("--resume-from", options.resume_from)):
        if uri and uri != RESUME_AUTO:
            storage, key = open_parent(builtin.located(uri))
            if storage.stat(key) is None:
                raise NotFound(f"{name} {uri} does not exist.")
    bundle.check_destination(place, demo=options.demo)
    checkpoints = open_storage(options.checkpoint_output)
    checkpoints.check_writable()
    dataset = open_training_set(options.dataset, options.work_dir)
    if options.demo:
        dataset = dataset.shortened(options.work_dir / "demo", pages=DEMO_PAGES)
    return TrainingPlan(
        dataset=dataset,
        work_dir=options.work_dir,
        device=device,
        config_file=config_file,
        config_options=options.config_options,
        destination=place,
        checkpoints=checkpoints,
        load_from=options.load_from,
        resume_from=options.resume_from,
        epochs=options.epochs,
        seed=options.seed,
        amp=options.amp,
        demo=options.demo,
        interval=options.interval,
        retention=options.retention,
        publish=options.publish,
        run=RunIdentity.from_env(),
    )


def _success_message(manifest: Mapping[str, Any], place: bundle.Destination, *, progress: JsonObject) -> JsonObject:
    return model_message(
        uri=manifest["uri"],
        sha256=manifest["sha256"],
        size_bytes=manifest["sizeBytes"],
        manifest=place.storage.uri(place.manifest_key),
        report=bundle.find_report(place),
        epoch=manifest["epoch"],
        metrics=manifest["metrics"].get("test", {}),
        warnings=manifest["warnings"],
        progress=progress,
    )


def set_process_defaults(work_dir: Path, device: Device) -> None:
    """Set environment variables that libraries read when they are imported, unless they are set already.

    The other ranks of this node inherit them.
    """
    if not device.is_gpu:
        # mmengine takes a GPU wherever torch sees one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:  # the older name of the variable
        # Pages differ in size and labels: without it, memory is lost to gaps between blocks that fit no other page.
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    # More threads than free cores slow down the training several times; data workers are processes of their own.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # In a pod the root file system is read-only, and perhaps HOME too.
    os.environ.setdefault("MPLCONFIGDIR", str(work_dir / "matplotlib"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code of docs/architecture.md."""
    reporter: ProgressReporter | None = None
    verbose = False

    def command() -> None:
        try:
            work()
        except Exception as error:
            if stop.requested:
                # A library may turn the interruption into an exception of its own, which says nothing about the run.
                raise Interrupted("SIGTERM ended the training; the next attempt continues it.") from error
            raise

    def work() -> None:
        nonlocal reporter, verbose
        stop.check()
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
        verbose = options.verbose
        start_logging(logging.DEBUG if verbose else logging.INFO)
        is_main = Topology.from_env(os.environ, processes=options.processes or 1).is_main
        reporter = (
            ProgressReporter.from_env(stage=STAGE_TRAIN)
            if is_main
            else ProgressReporter(NullSender(), stage=STAGE_TRAIN)
        )
        device, topology = choose_device(options, os.environ)
        plan = prepare(options, device)
        set_process_defaults(options.work_dir, device)
        from training.train import run  # noqa: PLC0415  imports torch, which takes seconds: only after the checks

        manifest = run.lead(plan, topology=topology, reporter=reporter, stop=stop, on_failure=on_failure)
        reporter.close()
        if not manifest:
            write_termination(node_message(index=topology.node, of=topology.nodes))
            return
        write_termination(_success_message(manifest, plan.destination, progress=reporter.state()))

    def on_failure(failure: Failure) -> None:
        if reporter is not None:
            reporter.close()
        progress = reporter.state() if reporter is not None else {}
        write_termination(failed_message(STAGE_TRAIN, failure, progress=progress, report=progress.get("report")))

    with StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=on_failure) as stop:
        return run_command(command, is_verbose=lambda: verbose, on_failure=on_failure)
