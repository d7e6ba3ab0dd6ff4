"""How fast, and how repeatably, torch computes on a GPU."""

import os

import torch


def set_up(*, deterministic: bool, has_gpu: bool) -> None:
    """Choose torch's arithmetic for this process, before anything is computed.

    On a GPU matrices are multiplied in TensorFloat32, which rounds factors to 10 bits and adds in float32. If
    `deterministic`, they are not, and torch takes the operators that repeat their results bit for bit; it warns of each
    that has no such variant.
    """
    if deterministic:
        # cuBLAS reads it when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.set_deterministic_debug_mode("warn")
    elif has_gpu:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
