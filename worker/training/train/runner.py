"""Builds mmengine's Runner, checks that it fits this machine, and prepares its start."""

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
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from training.errors import ConfigError
from training.model import weights
from training.process.container import container_memory
from training.train import bound_config
from training.train.capacity import Need, check_room, optimizer_states
from training.train.distributed.collectives import from_main
from training.train.distributed.topology import Topology
from training.train.plan import TrainingPlan
from training.train.resume_position import Settings, resumed_iteration
from training.train.starting_point import Start

logger = logging.getLogger(__name__)


def build_runner(plan: TrainingPlan, resolved: Any, start: Start, topology: Topology) -> Runner:
    """The runner of this rank, which will load the start's file itself. Raises ConfigError if it cannot be built."""
    has_gpu = torch.cuda.is_available()
    bound = bound_config.bind(
        resolved,
        bound_config.Placement(
            work_dir=plan.work_dir,
            image_folders=plan.dataset.image_folders,
            annotation_files=plan.dataset.annotation_files,
            max_data_workers=bound_config.data_workers() // topology.processes,
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
    if has_gpu:
        logger.info("training on %s", torch.cuda.get_device_name())
    else:
        logger.warning("no GPU is visible: training on the CPU with %d threads", torch.get_num_threads())
    try:
        return Runner.from_cfg(bound)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"The config {plan.config_file.name} builds no network: {error}") from error


def check_capacity(plan: TrainingPlan, runner: Runner, topology: Topology) -> None:
    """Raise ConfigError if disk or memory is certainly too small."""
    weight_bytes = sum(value.numel() * value.element_size() for value in _network(runner).state_dict().values())
    kind = str(runner.cfg["optim_wrapper"]["optimizer"].get("type", ""))
    if torch.cuda.is_available():
        free, memory = torch.cuda.mem_get_info()[1], "The GPU"
    else:
        free, memory = container_memory() // topology.processes, "A process of this container"
    check_room(
        Need(weight_bytes=weight_bytes, states=optimizer_states(kind)),
        free_disk_bytes=shutil.disk_usage(plan.scratch).free,
        disk=str(plan.work_dir),
        free_memory_bytes=free,
        memory=memory,
    )


def settings_of(plan: TrainingPlan, runner: Runner, topology: Topology) -> Settings:
    """The settings on which the meaning of an iteration number depends."""
    return Settings(
        seed=plan.seed,
        demo=plan.demo,
        batch_size=runner.train_dataloader.batch_sampler.batch_size * topology.ranks,
        iterations_per_epoch=len(runner.train_dataloader),
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

    Raises ConfigError if the training cannot resume from the checkpoint, or if base weights fit no layer.
    """
    if start.is_resumed:
        runner.train_loop.first_iteration = from_main(
            lambda: _first_iteration(content, runner, settings, what=start.what)
        )
    elif start.file:
        if topology.is_leader:
            _write_base_weights(scratch / start.file, content, runner, what=start.what)
        barrier()


def _first_iteration(content: Mapping[str, Any], runner: Runner, settings: Settings, *, what: str) -> int:
    """The iteration, as this runner counts, at which the training resumes from a checkpoint of this content."""
    has_schedule = runner.param_schedulers is not None
    weights.check_resumable(content, _network(runner).state_dict(), has_schedule=has_schedule, what=what)
    return resumed_iteration(content["meta"], settings, epochs=runner.max_epochs, what=what)


def _write_base_weights(path: Path, content: Mapping[str, Any], runner: Runner, *, what: str) -> None:
    """Replace the file by one that holds only the weights that fit the network."""
    network = _network(runner).state_dict()
    base = weights.base_for(weights.state_of(content), network, what=what)
    weights.save({"state_dict": base}, path)
    logger.info("%s fills %d of %d tensors of the network", what, len(base), len(network))


def versions() -> dict[str, str]:
    """The versions of the libraries that influence the result of a training."""
    modules = {"torch": torch, "mmcv": mmcv, "mmdet": mmdet, "mmengine": mmengine}
    return {name: str(module.__version__) for name, module in modules.items()}


def _network(runner: Runner) -> torch.nn.Module:
    """The network, without the wrapper that it has if there are several ranks."""
    network: torch.nn.Module = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return network
