"""Builds mmengine's Runner, checks that it fits this machine, and prepares its start."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import mmengine
import torch
from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.runner import Runner

from training.errors import ConfigError
from training.model import weights
from training.model.base_weights.fit import fit
from training.process.container import available_cpus, container_memory
from training.train import bound_config
from training.train.capacity import Need, check_room, optimizer_states
from training.train.distributed.collectives import from_main
from training.train.distributed.topology import Topology
from training.train.hooks.readings import network_of
from training.train.network import arithmetic
from training.train.network.float32 import keep_in_float32
from training.train.plan import TrainingPlan
from training.train.resume_position import Settings, resumed_iteration
from training.train.starting_point import Start

logger = logging.getLogger(__name__)


def build_runner(plan: TrainingPlan, resolved: Any, start: Start, topology: Topology) -> Runner:
    """The runner of this rank, which will load the start's file itself. Raises ConfigError if it cannot be built."""
    has_gpu = plan.device.is_gpu
    arithmetic.set_up(deterministic=resolved["randomness"]["deterministic"], has_gpu=has_gpu)
    bound = bound_config.bind(
        resolved,
        bound_config.Placement(
            work_dir=plan.work_dir,
            image_folders=plan.dataset.image_folders,
            annotation_files=plan.dataset.annotation_files,
            max_data_workers=_data_workers(resolved, topology, has_gpu=has_gpu),
            validate_first=start.is_resumed and not start.metrics,
            ranks=topology.ranks,
            has_gpu=has_gpu,
        ),
    )
    # Unformatted: only the resolved config's text is published. This one goes into each checkpoint, and formatting its
    # text takes half a second.
    bound = Config(bound.to_dict(), filename=bound.filename, format_python_code=False)
    bound["load_from"] = str(plan.scratch / start.file) if start.file else None
    bound["resume"] = start.is_resumed
    logger.info("training on %s, with %d CPU threads", plan.device, torch.get_num_threads())
    try:
        runner = Runner.from_cfg(bound)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The config {plan.config_file.name} builds no network: {error}") from error
    keep_in_float32(runner.model)
    return runner


def _data_workers(resolved: Any, topology: Topology, *, has_gpu: bool) -> int:
    """How many data workers this rank can have; logs how many that leaves of those that the config asks for."""
    cpus, shared_memory_bytes = available_cpus(), bound_config.shared_memory_bytes()
    most = bound_config.data_workers(
        cpus=cpus, shared_memory_bytes=shared_memory_bytes, ranks=topology.processes, has_gpu=has_gpu
    )
    wanted = int(resolved["train_dataloader"].get("num_workers", 0))
    logger.info(
        "%d data workers a rank; the config asks for %d, and this node has %d ranks, %d CPUs, %d MiB of /dev/shm",
        min(wanted, most),
        wanted,
        topology.processes,
        cpus,
        shared_memory_bytes >> 20,
    )
    return most


def check_capacity(plan: TrainingPlan, runner: Runner, topology: Topology) -> None:
    """Raise ConfigError if disk or memory is certainly too small."""
    weight_bytes = sum(value.numel() * value.element_size() for value in network_of(runner).state_dict().values())
    kind = str(runner.cfg["optim_wrapper"]["optimizer"].get("type", ""))
    if plan.device.memory_bytes is not None:
        memory_bytes, memory = plan.device.memory_bytes, "The GPU"
    else:
        memory_bytes, memory = container_memory() // topology.processes, "A process of this container"
    check_room(
        Need(weight_bytes=weight_bytes, states=optimizer_states(kind)),
        free_disk_bytes=shutil.disk_usage(plan.scratch).free,
        disk=str(plan.work_dir),
        memory_bytes=memory_bytes,
        memory=memory,
    )


def settings_of(plan: TrainingPlan, runner: Runner, topology: Topology) -> Settings:
    """The settings on which the state in a checkpoint depends."""

    def plain(name: str) -> Any:
        return json.loads(json.dumps(runner.cfg.to_dict().get(name), default=str))

    return Settings(
        seed=plan.seed,
        demo=plan.demo,
        batch_size=runner.train_dataloader.batch_sampler.batch_size * topology.ranks,
        iterations_per_epoch=len(runner.train_dataloader),
        epochs=runner.max_epochs,
        optim_wrapper=plain("optim_wrapper"),
        param_scheduler=plain("param_scheduler"),
    )


def prepare_start(
    runner: Runner,
    start: Start,
    content: Mapping[str, Any],
    *,
    scratch: Path,
    settings: Settings,
    topology: Topology,
) -> None:
    """Set the runner's first iteration, or reduce the base weights to those that fit. `content` is the content of the
    start's file; only the leader of a node has it.

    Raises ConfigError if the training cannot resume from the checkpoint.
    """
    if start.is_resumed:
        runner.train_loop.first_iteration = from_main(
            lambda: _first_iteration(content, runner, settings, what=start.what)
        )
    elif start.file:
        if topology.is_leader:
            _write_base_weights(scratch / start.file, content, runner)
        barrier()


def _first_iteration(content: Mapping[str, Any], runner: Runner, settings: Settings, *, what: str) -> int:
    """The iteration, as this runner counts, at which the training resumes from a checkpoint of this content."""
    has_schedule = runner.param_schedulers is not None
    weights.check_resumable(content, network_of(runner).state_dict(), has_schedule=has_schedule, what=what)
    return resumed_iteration(content["meta"], settings, what=what)


def _write_base_weights(path: Path, content: Mapping[str, Any], runner: Runner) -> None:
    """Replace the file by one that holds only the weights that fit the network."""
    found = fit(weights.state_of(content), network_of(runner).state_dict())
    weights.save({"state_dict": found.tensors}, path)


def versions() -> dict[str, str]:
    """The versions of the libraries that influence the result of a training."""
    modules = {"torch": torch, "mmcv": mmcv, "mmdet": mmdet, "mmengine": mmengine}
    return {name: str(module.__version__) for name, module in modules.items()}
