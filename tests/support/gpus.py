"""What there is to find out about the GPUs of a container, as a test wants it."""

from dataclasses import replace
from typing import Any

from training.device.gpu_facts import Gpu, GpuFacts

L4 = Gpu(index=0, name="NVIDIA L4", memory_bytes=23609475072, capability=(8, 9))
# A container without a driver.
NOTHING: dict[str, Any] = {
    "driver": None,
    "driver_cuda": None,
    "has_driver_library": False,
    "said": "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU.",
}


def facts(*given: Gpu, **changes: Any) -> GpuFacts:
    """Those of a healthy container with the given GPUs, but for the changes."""
    healthy = GpuFacts(
        torch_version="2.13.0+cu130",
        cuda_version="13.0",
        architectures=("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
        mmcv_has_cuda=True,
        driver="580.65.06",
        driver_cuda="13.0",
        has_driver_library=True,
        device_files=len(given),
        mig_slices=0,
        gpus=tuple(replace(gpu, index=index) for index, gpu in enumerate(given)),
        said="",
    )
    return replace(healthy, **changes)
