"""An mmengine hook for the config of a training in several processes: what each of them evaluates with.

Importing this module registers it.
"""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import hashlib
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


def digest(state: dict[str, torch.Tensor]) -> str:
    """Of the running statistics in a network's state."""
    found = hashlib.sha256()
    for name, value in sorted(state.items()):
        if ".running_" in name:
            found.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return found.hexdigest()


@HOOKS.register_module()
class BuffersRecord(Hook):
    """Writes `<moment>-<epoch>-<rank>` into the folder, which holds the digest of the rank's running statistics."""

    priority = "VERY_LOW"

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 2:
            self._write("train", runner)

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self._write("val", runner)

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        self._write("test", runner)

    def _write(self, moment: str, runner: Any) -> None:
        self._folder.mkdir(exist_ok=True)
        model = getattr(runner.model, "module", runner.model)
        (self._folder / f"{moment}-{runner.epoch}-{get_rank()}").write_text(digest(model.state_dict()))
