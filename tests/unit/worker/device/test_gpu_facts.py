"""Which GPUs can be used, and the sentence that says why others cannot."""

from dataclasses import replace

import pytest

from tests.support.gpus import L4, NOTHING, facts
from training.device.gpu_facts import GpuFacts, usable_gpus, why_unusable
from training.errors import MAX_MESSAGE_CHARACTERS

V100 = replace(L4, name="Tesla V100-SXM2-16GB", capability=(7, 0))
BROKEN = "CUDA error: uncorrectable ECC error encountered\nSearch for `cudaErrorECCUncorrectable' in the docs."
TOO_OLD = "The NVIDIA driver on your system is too old (found version 12080). Please update your GPU driver."


@pytest.mark.parametrize(
    ("found", "asked", "usable", "parts"),
    [
        (
            facts(**NOTHING),
            1,
            0,
            [
                "The GPU asked for cannot be used: this container has no NVIDIA driver and no /dev/nvidia* files",
                "set training.podTemplate.runtimeClassName to nvidia, or make that runtime the node's default",
                "set training.device (--device) to cpu if the CPU is meant",
                "torch 2.13.0+cu130 needs CUDA 13.0, that is driver 580 or later; the driver found is none",
                'torch says "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU".',
            ],
        ),
        (
            facts(**{**NOTHING, "driver": "570.86.15"}),
            2,
            0,
            [
                "None of the 2 GPUs asked for can be used: the node has an NVIDIA driver that this container was not",
                "set training.podTemplate.runtimeClassName to nvidia",
                "the driver found is 570.86.15",
            ],
        ),
        (
            facts(driver="535.183.01", driver_cuda="12.2", device_files=4, said=TOO_OLD),
            4,
            0,
            [
                "None of the 4 GPUs asked for can be used: the node's NVIDIA driver is too old, so update it to 580",
                "the driver found is 535.183.01 for CUDA 12.2",
                "(found version 12080)",
            ],
        ),
        (
            facts(L4, L4, replace(L4, trouble=BROKEN), replace(L4, trouble="CUDA error: unknown error")),
            4,
            2,
            [
                "2 of the 4 GPUs asked for can be used",
                'GPU 2 (NVIDIA L4) fails with "CUDA error: uncorrectable ECC error encountered Search for',
                'GPU 3 (NVIDIA L4) fails with "CUDA error: unknown error"',
            ],
        ),
        (
            facts(L4, L4, L4),
            4,
            3,
            [
                "3 of the 4 GPUs asked for can be used: torch sees 3 of 3 /dev/nvidia* files",
                "check the node's driver, the pod's resources and CUDA_VISIBLE_DEVICES",
            ],
        ),
        (
            facts(replace(L4, name="NVIDIA A100-SXM4-40GB MIG 1g.5gb"), mig_slices=2),
            2,
            1,
            ["1 of the 2 GPUs asked for can be used: this container has 2 MIG slices", "training.gpusPerNode to 1"],
        ),
        (
            facts(V100),
            1,
            0,
            ["GPU 0 (Tesla V100-SXM2-16GB) has compute capability 7.0, and torch is built for sm_75, sm_80"],
        ),
        (facts(L4, mmcv_has_cuda=False), 1, 0, ["mmcv in this image has no CUDA operators", "MMCV_OPS=cuda"]),
        (
            facts(cuda_version=None, architectures=(), said="Torch not compiled with CUDA enabled"),
            1,
            0,
            ["torch in this image is built without CUDA", "torch 2.13.0+cu130; the driver found is 580.65.06"],
        ),
    ],
)
def test_the_sentence_says_how_many_gpus_can_be_used_why_and_what_to_do(
    found: GpuFacts, asked: int, usable: int, parts: list[str]
) -> None:
    assert len(usable_gpus(found, asked)) == usable < asked
    sentence = why_unusable(found, asked)
    for part in parts:
        assert part in sentence
    assert sentence.endswith(".")
    assert len(sentence) <= MAX_MESSAGE_CHARACTERS
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("capability", "architectures", "is_usable"),
    [
        ((8, 9), ("sm_80",), True),
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_80",), False),
        ((10, 0), ("sm_90", "compute_90"), True),
        ((7, 5), ("compute_80",), False),
        ((9, 0), ("sm_90a",), True),
        ((12, 0), ("sm_100", "sm_120"), True),
    ],
)
def test_a_gpu_is_supported_by_code_of_its_major_version_or_by_code_to_compile(
    capability: tuple[int, int], architectures: tuple[str, ...], is_usable: bool
) -> None:
    found = facts(replace(L4, capability=capability), architectures=architectures)
    assert bool(usable_gpus(found, 1)) is is_usable


def test_only_the_gpus_that_ranks_would_take_count() -> None:
    found = facts(L4, L4, replace(L4, trouble=BROKEN))
    assert len(usable_gpus(found, 2)) == 2
    assert len(usable_gpus(found, 3)) == 2


def test_a_long_error_is_cut_so_that_the_sentence_ends() -> None:
    found = facts(*[replace(L4, trouble="x" * 5000)] * 2)
    assert why_unusable(found, 2).count("x" * 299 + "…") == 2
