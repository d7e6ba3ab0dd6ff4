"""Binds the resolved config to this machine and process: folders, data workers, ranks, the resumable training loop."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.dataset.split import SPLITS
from training.errors import ConfigError
from training.model.config import dicts_in, innermost_dataset
from training.model.smallest_page import pad_small_pages, smallest_side

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  through which data workers hand over images
WORKER_BYTES = 128 * 1024 * 1024  # of it, for each data worker


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What the config needs to know of this machine and attempt. Image folders and COCO files are by split.

    `validate_first`: see ExactEpochLoop.
    """

    work_dir: Path
    image_folders: Mapping[str, Path]
    annotation_files: Mapping[str, Path]
    max_data_workers: int
    validate_first: bool = False
    ranks: int = 1
    has_gpu: bool = False


def bind(config: Any, placement: Placement) -> Any:
    """A copy of the resolved config that runs here, with the classes of `training.train.loop`, of
    `training.train.network`, and TableMetric. Raises ConfigError if this machine cannot compute in the config's
    precision.
    """
    config = copy.deepcopy(config)
    side = smallest_side(config["model"])
    _bind_network(config["model"], balance_categories=bool(config.get("balance_categories")))
    if not placement.has_gpu:
        _bind_precision_to_cpu(config["optim_wrapper"])
    # Left to `training.train.network.arithmetic`: mmengine fails where an operator has no deterministic variant.
    config["randomness"]["deterministic"] = False
    config["work_dir"] = str(placement.work_dir)
    config["train_cfg"]["type"] = "ExactEpochLoop"
    config["train_cfg"]["validate_first"] = placement.validate_first
    for split in SPLITS:
        loader = config[f"{split}_dataloader"]
        inner = innermost_dataset(loader["dataset"])
        inner["ann_file"] = str(placement.annotation_files[split])
        inner["data_prefix"] = {"img": str(placement.image_folders[split])}
        pad_small_pages(loader["dataset"], side)
        loader["num_workers"] = min(int(loader.get("num_workers", 0)), placement.max_data_workers)
        # ExactEpochLoop needs data workers that end with the epoch.
        loader["persistent_workers"] = False
        loader["pin_memory"] = placement.has_gpu
        if loader["num_workers"] == 0:
            loader.pop("prefetch_factor", None)
        if split != "train":
            evaluator = config[f"{split}_evaluator"]
            for item in evaluator if isinstance(evaluator, list) else [evaluator]:
                _bind_evaluator(item, inner["ann_file"], grids=split == "test", ranks=placement.ranks)
    train = config["train_dataloader"]
    train["dataset"] = {"type": "SeededDataset", "dataset": train["dataset"]}
    train["batch_sampler"] = {
        "type": "SkippableBatchSampler",
        "inner": train.get("batch_sampler"),
        "drop_last": bool(train.pop("drop_last", False)),
    }
    if not placement.has_gpu:
        config.pop("sync_bn", None)  # torch has it on GPUs alone
    if placement.ranks > 1:
        config["launcher"] = "pytorch"
        if not placement.has_gpu:
            config["model_wrapper_cfg"] = {
                "type": "MMDistributedDataParallel",
                "device_ids": None,
                "broadcast_buffers": False,
                "find_unused_parameters": bool(config.get("find_unused_parameters", False)),
            }
    hooks = dict(config.get("default_hooks") or {})
    # CheckpointHook of this package writes checkpoints: mmengine's are not atomic and cannot be resumed exactly.
    hooks["checkpoint"] = None
    hooks.pop("visualization", None)
    config["default_hooks"] = hooks
    return config


def _is_plain_coco(evaluator: Mapping[str, Any]) -> bool:
    """Whether it is mmdet's evaluator of boxes without settings that TableMetric, which measures the same, lacks."""
    return (
        evaluator.get("type") == "CocoMetric"
        and evaluator.get("metric") in ("bbox", ["bbox"])
        and not evaluator.get("format_only")
        and evaluator.keys() <= {"type", "ann_file", "metric", "classwise", "format_only", "backend_args"}
    )


def _bind_network(model: dict[str, Any], *, balance_categories: bool) -> None:
    """Replace parts of mmdetection's by those of `training.train.network`."""
    for part in dicts_in(model):
        if part.get("type") == "MaxIoUAssigner":
            part["type"] = "ChunkedMaxIoUAssigner"
    stages = (model.get("train_cfg") or {}).get("rcnn") or []
    for stage in stages if isinstance(stages, list) else [stages]:
        if balance_categories and stage.get("sampler", {}).get("type") == "RandomSampler":
            stage["sampler"]["type"] = "CategoryBalancedSampler"


def _bind_evaluator(evaluator: dict[str, Any], annotation_file: str, *, grids: bool, ranks: int) -> None:
    if _is_plain_coco(evaluator):
        evaluator.clear()
        evaluator.update(type="TableMetric", ann_file="", grids=grids)
    if "ann_file" in evaluator:
        evaluator["ann_file"] = annotation_file
    if ranks > 1:
        # "gpu" gathers results by messages, on CPUs too; "cpu" would need a folder that all nodes share.
        evaluator["collect_device"] = "gpu"


def _bind_precision_to_cpu(optim_wrapper: dict[str, Any]) -> None:
    if optim_wrapper.get("type") != "AmpOptimWrapper":
        return
    if optim_wrapper.pop("dtype", None) != "bfloat16":
        raise ConfigError("Training in float16 needs a GPU, and none is visible; on a CPU take --amp bf16, or off.")
    optim_wrapper.pop("loss_scale", None)
    optim_wrapper["type"] = "CPUBfloat16OptimWrapper"


def shared_memory_bytes() -> int:
    """How much of /dev/shm is free."""
    usage = os.statvfs(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
    return usage.f_bavail * usage.f_frsize if usage else 0


def data_workers(*, cpus: int, shared_memory_bytes: int, ranks: int = 1, has_gpu: bool = False) -> int:
    """How many data workers each of the ranks on a node can have: one of a rank's CPUs is left to its training, each
    worker needs 128 MiB of /dev/shm.

    With a GPU it is at least one: the training often waits for its GPU, and then its CPU is free. A pod without a
    memory volume at /dev/shm has 64 MiB there, in which data workers crash: it gets none.
    """
    return min(max(cpus // ranks - 1, int(has_gpu)), shared_memory_bytes // WORKER_BYTES // ranks)
