"""Binds the resolved config to this machine and process: folders, data workers, ranks, the resumable training loop."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.dataset.split import SPLITS
from training.model.config import innermost_dataset
from training.process.container import available_cpus

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  through which data workers hand over images


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
    """A copy of the resolved config that runs here, with the classes of `training.train.loop` and TableMetric."""
    config = copy.deepcopy(config)
    config["work_dir"] = str(placement.work_dir)
    config["train_cfg"]["type"] = "ExactEpochLoop"
    config["train_cfg"]["validate_first"] = placement.validate_first
    for split in SPLITS:
        loader = config[f"{split}_dataloader"]
        inner = innermost_dataset(loader["dataset"])
        inner["ann_file"] = str(placement.annotation_files[split])
        inner["data_prefix"] = {"img": str(placement.image_folders[split])}
        loader["num_workers"] = min(int(loader.get("num_workers", 0)), placement.max_data_workers)
        # ExactEpochLoop needs data workers that end with the epoch.
        loader["persistent_workers"] = False
        if loader["num_workers"] == 0:
            loader.pop("prefetch_factor", None)
        if split != "train":
            evaluator = config[f"{split}_evaluator"]
            for item in evaluator if isinstance(evaluator, list) else [evaluator]:
                if _is_plain_coco(item):
                    item.clear()
                    item.update(type="TableMetric", ann_file="", grids=split == "test")
                if "ann_file" in item:
                    item["ann_file"] = inner["ann_file"]
                if placement.ranks > 1:
                    # "gpu" gathers results by messages, on CPUs too; "cpu" would need a folder that all nodes share.
                    item["collect_device"] = "gpu"
    train = config["train_dataloader"]
    train["dataset"] = {"type": "SeededDataset", "dataset": train["dataset"]}
    train["batch_sampler"] = {
        "type": "SkippableBatchSampler",
        "inner": train.get("batch_sampler"),
        "drop_last": bool(train.pop("drop_last", False)),
    }
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


def data_workers(*, cpus: int | None = None, shared_memory_bytes: int | None = None) -> int:
    """How many data workers fit on this machine: one core is left to the training, each worker needs 128 MiB of
    /dev/shm.

    A pod without a memory volume at /dev/shm has 64 MiB there, in which data workers crash: it gets none.
    """
    if cpus is None:
        cpus = available_cpus()
    if shared_memory_bytes is None:
        usage = os.statvfs(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
        shared_memory_bytes = usage.f_bavail * usage.f_frsize if usage else 0
    return max(0, min(cpus - 1, shared_memory_bytes // (128 * 1024 * 1024)))
