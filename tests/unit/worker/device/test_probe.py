"""What is found out about GPUs, as far as that goes without one."""

from types import SimpleNamespace
from typing import Any

import mmcv._ext
import pytest
import torch

from training.device import probe


def test_a_little_is_computed_with_torch_and_mmcv() -> None:
    probe.compute_on(torch.device("cpu"), with_mmcv=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_torch_says_why() -> None:
    found = probe.look()
    assert found.gpus == ()
    assert "NVIDIA driver" in found.said
    assert found.cuda_version == torch.version.cuda
    assert "sm_80" in found.architectures


def test_each_gpu_is_tried_and_what_fails_is_its_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def properties(index: int) -> Any:
        if index == 2:
            raise AssertionError("Invalid device id")
        return SimpleNamespace(name="NVIDIA L4", total_memory=1 << 34, major=8, minor=9)

    tried: list[tuple[torch.device, bool]] = []

    def compute_on(device: torch.device, *, with_mmcv: bool) -> None:
        tried.append((device, with_mmcv))
        if device.index == 1:
            raise RuntimeError("CUDA error: unknown error")

    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(mmcv._ext, "get_compiling_cuda_version", lambda: "13.0")
    monkeypatch.setattr(probe, "compute_on", compute_on)
    found = probe.look()
    assert [(gpu.name, gpu.capability, gpu.trouble) for gpu in found.gpus] == [
        ("NVIDIA L4", (8, 9), ""),
        ("NVIDIA L4", (8, 9), "CUDA error: unknown error"),
        ("unknown", (0, 0), "Invalid device id"),
    ]
    assert found.mmcv_has_cuda
    assert tried == [(torch.device("cuda", 0), True), (torch.device("cuda", 1), True)]


@pytest.mark.parametrize(
    ("environ", "slices"),
    [
        ({"NVIDIA_VISIBLE_DEVICES": "MIG-1a,MIG-2b"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1a"}, 1),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-1a,GPU-2b"}, 0),
        ({}, 0),
    ],
)
def test_slices_of_multi_instance_gpus_are_counted(environ: dict[str, str], slices: int) -> None:
    assert probe.mig_slices(environ) == slices
