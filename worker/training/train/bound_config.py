"""The resolved config bound to this machine and this process: folders, data workers, the exact loop."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.dataset.split import SPLITS
from training.model.config import innermost_dataset
from training.process.container import available_cpus

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  where data workers pass images on


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is of this machine: where the dataset and the working folder are, how many data workers to run, and how many
    ranks there are.
    """

    work_dir: Path
    image_folders: Mapping[str, Path]
    annotation_files: Mapping[str, Path]
    max_data_workers: int
    validate_first: bool = False
    ranks: int = 1
    has_gpu: bool = False


def bind(config: Any, placement: Placement) -> Any:
    """A copy of the resolved config that runs here, with the loop, the dataset and the batch sampler of `loop.py`."""
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
        # Workers end with the epoch, as the exact loop needs it.
        loader["persistent_workers"] = False
        if loader["num_workers"] == 0:
            loader.pop("prefetch_factor", None)
        if split != "train":
            evaluator = config[f"{split}_evaluator"]
            for item in evaluator if isinstance(evaluator, list) else [evaluator]:
                if "ann_file" in item:
                    item["ann_file"] = inner["ann_file"]
                if placement.ranks > 1:
                    # By messages, on a CPU too; "cpu" means by files in a folder that all nodes share.
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
    # Checkpoints are ours: mmengine's are not written atomically and cannot be resumed exactly.
    hooks["checkpoint"] = None
    hooks.pop("visualization", None)
    config["default_hooks"] = hooks
    return config


def data_workers(*, cpus: int | None = None, shared_memory_bytes: int | None = None) -> int:
    """How many data workers this machine bears: a core stays for the training, each worker needs 128 MiB of /dev/shm.

    A pod without a memory volume there has 64 MiB, on which workers crash: it gets none.
    """
    if cpus is None:
        cpus = available_cpus()
    if shared_memory_bytes is None:
        usage = os.statvfs(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
        shared_memory_bytes = usage.f_bavail * usage.f_frsize if usage else 0
    return max(0, min(cpus - 1, shared_memory_bytes // (128 * 1024 * 1024)))
