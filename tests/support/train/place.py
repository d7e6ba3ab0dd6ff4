"""A training of a tiny network on a few pages: its folders, and one that nothing interrupted."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.made_once import made_once
from tests.support.paths import REPOSITORY
from tests.support.train.drawn_dataset import TINY_CONFIG, write_dataset

PAGES = {"train": 6, "val": 2, "test": 2}
ITERATIONS_PER_EPOCH = 3  # 6 pages in batches of 2


@dataclass(frozen=True)
class Place:
    """The folders and files of one training."""

    root: Path
    dataset: Path
    config: Path

    @property
    def model(self) -> Path:
        return self.root / "model" / "model.pth"

    @property
    def checkpoints(self) -> Path:
        return self.root / "work" / "checkpoints"

    @property
    def termination_log(self) -> Path:
        return self.root / "termination-log"

    def arguments(self, *more: str, epochs: int = 2) -> list[str]:
        return [
            str(self.dataset),
            str(self.root / "work"),
            "--config",
            str(self.config),
            "--model_output",
            str(self.model),
            "--num-epoch",
            str(epochs),
            *more,
        ]

    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.model.parent / "model.pth.manifest.json").read_bytes()))

    def weights(self) -> dict[str, torch.Tensor]:
        return dict(torch.load(self.model, weights_only=True)["state_dict"])

    def termination(self) -> dict[str, Any]:
        return dict(json.loads(self.termination_log.read_bytes()))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "dataset", lambda folder: write_dataset(folder / "ttv", pages=PAGES)) / "ttv"


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = TINY_CONFIG.format(base=str(REPOSITORY / "configs" / "config_3_cls_tiny.py"))
    return made_once(tmp_path_factory, "config", lambda folder: (folder / "tiny.py").write_text(text)) / "tiny.py"


@pytest.fixture
def place(tmp_path: Path, dataset: Path, tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of its own, with the termination log in it; SIGTERM is given back afterwards."""
    made = Place(tmp_path, dataset, tiny_config)
    monkeypatch.setenv("TRAINING_TERMINATION_LOG", str(made.termination_log))
    before = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_config: Path) -> Place:
    """Two epochs without interruption, in one process of its own, as a run's pod would do them."""

    def train(root: Path) -> None:
        made = Place(root, dataset, tiny_config)
        environment = {
            **os.environ,
            "TRAINING_TERMINATION_LOG": str(made.termination_log),
            "TRAINING_RUN_UID": "run-1",
            "TRAINING_IMAGE": "worker:1",
        }
        command = [sys.executable, "-m", "training.train", *made.arguments()]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-3000:]

    return Place(made_once(tmp_path_factory, "straight", train), dataset, tiny_config)


def copy_made_once(source: Path, target: Path) -> None:
    """Without the hidden files that another process makes there, and deletes at once, to see that it may write."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]
