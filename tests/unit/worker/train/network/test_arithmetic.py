"""The arithmetic that torch is told to use, which holds for the whole process and is given back here."""

import os
from collections.abc import Iterator

import pytest
import torch

from training.train.network import arithmetic


@pytest.fixture(autouse=True)
def torch_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    precision = torch.get_float32_matmul_precision()
    yield
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = cudnn
    torch.set_float32_matmul_precision(precision)
    torch.set_deterministic_debug_mode("default")


@pytest.mark.parametrize(
    ("deterministic", "has_gpu", "precision"),
    [(False, True, "high"), (False, False, "highest"), (True, True, "highest")],
)
def test_a_gpu_multiplies_in_tf32_unless_results_must_repeat(
    deterministic: bool, has_gpu: bool, precision: str
) -> None:
    arithmetic.set_up(deterministic=deterministic, has_gpu=has_gpu)
    assert torch.get_float32_matmul_precision() == precision


def test_what_has_no_deterministic_variant_warns_and_runs() -> None:
    arithmetic.set_up(deterministic=True, has_gpu=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.backends.cudnn.deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
