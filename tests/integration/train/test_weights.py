"""Files of torch: what mmengine writes can be read, what runs code cannot."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from training.errors import DataError
from training.model import weights

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def allowed() -> None:
    weights.allow_mmengine_checkpoints()


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_a_checkpoint_that_mmengine_wrote_can_be_read(tmp_path: Path) -> None:
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    content = {"message_hub": {"loss": history, "lr": np.float64(0.1)}, "state_dict": {"a": torch.ones(2)}}
    read = weights.read(saved(tmp_path / "m.pth", content), what="m.pth")
    assert read["message_hub"]["loss"].mean() == 1.5
    assert read["message_hub"]["lr"] == 0.1


class RunsCode:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize(
    "content",
    [
        RunsCode(os.mkdir, "made-by-a-checkpoint"),
        RunsCode(getattr, HistoryBuffer, "__init__"),
        RunsCode(getattr, slice(1), "__class__"),
    ],
    ids=["a system call", "an attribute of what is allowed", "an attribute of something else"],
)
def test_a_file_that_runs_code_is_refused(tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"m\.pth cannot be read as tensors and plain data"):
        weights.read(saved(tmp_path / "m.pth", {"state_dict": content}), what="m.pth")
    assert not (tmp_path / "made-by-a-checkpoint").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_checkpoint_is_a_data_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(DataError):
        weights.read(tmp_path / "m.pth", what="m.pth")
