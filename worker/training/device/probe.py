"""Collects the facts about the GPUs by computing a little on each. Importing this takes seconds: it imports torch.

Runs in a process of its own (`choice`): a GPU's first use takes some of its memory until the process ends.
"""

import os
import warnings
from collections.abc import Mapping

import mmcv._ext
import torch

from training.device.driver import device_files, driver_cuda, driver_version, has_driver_library
from training.device.gpu_facts import Gpu, GpuFacts

NO_CUDA = "not available"  # what mmcv says of the CUDA that it is built with
MIG = "MIG-"  # begins the name of a slice of a Multi-Instance GPU in the variables that list a container's GPUs


def look() -> GpuFacts:
    """Find out what there is to know about the GPUs of this container. Raises nothing that a GPU may cause."""
    mmcv_has_cuda = mmcv._ext.get_compiling_cuda_version() != NO_CUDA
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            gpus = tuple(_look_at(index, mmcv_has_cuda=mmcv_has_cuda) for index in range(torch.cuda.device_count()))
            said = [str(warning.message) for warning in caught]
        except (RuntimeError, AssertionError) as error:  # AssertionError: built without CUDA
            gpus = ()
            said = [str(error), *(str(warning.message) for warning in caught)]
    return GpuFacts(
        torch_version=str(torch.__version__),
        cuda_version=torch.version.cuda,
        architectures=tuple(torch.cuda.get_arch_list()),
        mmcv_has_cuda=mmcv_has_cuda,
        driver=driver_version(),
        driver_cuda=driver_cuda(),
        has_driver_library=has_driver_library(),
        device_files=device_files(),
        mig_slices=max(mig_slices(os.environ), sum(" MIG " in gpu.name for gpu in gpus)),
        gpus=gpus,
        said="; ".join(said),
    )


def mig_slices(environ: Mapping[str, str]) -> int:
    """How many slices of Multi-Instance GPUs the device plugin's variables list."""
    return max(environ.get(name, "").count(MIG) for name in ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"))


def compute_on(device: torch.device, *, with_mmcv: bool) -> None:
    """Compute a little on a device with torch, and with an operator of mmcv. Raises RuntimeError if that fails."""
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]], device=device)
    if float((boxes + 1).sum()) != 16.0:
        raise RuntimeError("It computes wrongly.")
    if with_mmcv:
        mmcv._ext.nms(boxes, torch.tensor([0.5, 0.4], device=device), iou_threshold=0.5, offset=0)


def _look_at(index: int, *, mmcv_has_cuda: bool) -> Gpu:
    name, memory_bytes, capability, trouble = "unknown", 0, (0, 0), ""
    try:
        properties = torch.cuda.get_device_properties(index)
        name, memory_bytes = properties.name, properties.total_memory
        capability = properties.major, properties.minor
        compute_on(torch.device("cuda", index), with_mmcv=mmcv_has_cuda)
    except (RuntimeError, AssertionError) as error:
        trouble = str(error) or type(error).__name__
    return Gpu(index=index, name=name, memory_bytes=memory_bytes, capability=capability, trouble=trouble)
