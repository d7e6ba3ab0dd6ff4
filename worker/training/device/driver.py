"""NVIDIA's driver, as the kernel and this container show it. Needs no torch."""

import ctypes
import re
from pathlib import Path

VERSION = re.compile(r"\d{3,}\.\d+(?:\.\d+)?")
NVML_TEXT_BYTES = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE of nvml.h


def has_driver_library() -> bool:
    """Whether this container was given libcuda, without which no program finds a GPU."""
    return _library("libcuda.so.1") is not None


def driver_version(root: Path = Path("/")) -> str | None:
    """The version of the driver in the kernel, such as 580.65.06; None if none is loaded.

    /proc names the node's driver even in a container that was not given it; WSL has no such file.
    """
    try:
        found = VERSION.search((root / "proc/driver/nvidia/version").read_text())
    except OSError:
        return _nvml_version()
    return found.group() if found else None


def driver_cuda() -> str | None:
    """The newest CUDA release whose programs the driver runs, such as 12.8; None without libcuda."""
    library = _library("libcuda.so.1")
    version = ctypes.c_int()
    if library is None or library.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def device_files(root: Path = Path("/")) -> int:
    """The number of GPUs that this container was given as device files: /dev/nvidia0, …"""
    return sum(path.name.removeprefix("nvidia").isdecimal() for path in (root / "dev").glob("nvidia*"))


def _nvml_version() -> str | None:
    library = _library("libnvidia-ml.so.1")
    text = ctypes.create_string_buffer(NVML_TEXT_BYTES)
    if library is None or library.nvmlInit_v2() != 0:
        return None
    try:
        known = library.nvmlSystemGetDriverVersion(text, NVML_TEXT_BYTES) == 0
    finally:
        library.nvmlShutdown()
    return text.value.decode() if known else None


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
