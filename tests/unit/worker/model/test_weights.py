"""Torch files: written to the disk, or an error that says why not."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.errors import NotFound, Transient
from training.model import weights

CONTENT = {"state_dict": {"a": torch.arange(1 << 18, dtype=torch.float32)}, "meta": {"epoch": 3}}


@pytest.fixture
def full_disk() -> Iterator[int]:
    """Files of this process cannot grow beyond the bytes that it returns, and no further write succeeds."""
    most = 1 << 16
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    yield most
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    weights.save(CONTENT, path)
    found = weights.read(path, what="it")
    assert found["meta"] == {"epoch": 3}
    assert torch.equal(found["state_dict"]["a"], CONTENT["state_dict"]["a"])


def test_a_disk_that_takes_no_more_is_no_fault_of_the_user(tmp_path: Path, full_disk: int) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(Transient, match=r"weights\.pth failed"):
        weights.save(CONTENT, path)
    assert path.stat().st_size <= full_disk


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        weights.save(CONTENT, tmp_path / "nowhere" / "weights.pth")
