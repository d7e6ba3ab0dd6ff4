"""Judges what was found out about the GPUs: which of them can be used, and in one sentence why others cannot. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

# The oldest major version of NVIDIA's driver that runs programs of a CUDA release, by the release's major version
# (CUDA Toolkit Release Notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility").
OLDEST_DRIVER = {"11": 450, "12": 525, "13": 580}
MAX_QUOTED_CHARACTERS = 300  # of what a library says


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU as torch sees it. `trouble` is the error of trying to compute on it; empty if it computed."""

    index: int
    name: str
    memory_bytes: int
    capability: tuple[int, int]  # CUDA's compute capability
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """What was found out about the GPUs of this container, the driver, and the libraries that compute on them."""

    torch_version: str
    cuda_version: str | None  # that torch is built with; None: built without CUDA
    architectures: tuple[str, ...]  # that torch is built for: sm_80 is machine code, compute_90 is code to compile
    mmcv_has_cuda: bool  # mmcv is built with CUDA operators
    driver: str | None  # version of NVIDIA's driver in the kernel; None: not loaded
    driver_cuda: str | None  # newest CUDA release that the driver runs
    has_driver_library: bool  # this container was given libcuda, the driver's part in user space
    device_files: int  # number of /dev/nvidia0, …
    mig_slices: int  # of Multi-Instance GPUs, that this container was given
    gpus: tuple[Gpu, ...]
    said: str  # torch's own error or warnings

    @property
    def oldest_driver(self) -> int | None:
        """The oldest major version of the driver for torch's CUDA; None if it is not known or there is no CUDA."""
        return OLDEST_DRIVER.get(self.cuda_version.partition(".")[0]) if self.cuda_version else None


def usable_gpus(facts: GpuFacts, asked: int) -> tuple[Gpu, ...]:
    """Those of the first `asked` GPUs that can be used; rank n of a node takes the n-th GPU."""
    if not facts.mmcv_has_cuda:
        return ()
    return tuple(gpu for gpu in facts.gpus[:asked] if not gpu.trouble and _is_supported(gpu, facts))


def why_unusable(facts: GpuFacts, asked: int) -> str:
    """One sentence: how many of the `asked` GPUs can be used, why the others cannot, and what to do next."""
    found = len(usable_gpus(facts, asked))
    if asked == 1:
        head = "The GPU asked for cannot be used"
    else:
        head = f"{found or 'None'} of the {asked} GPUs asked for can be used"
    return f"{head}: {'; '.join(_problems(facts, asked))}; {_versions(facts)}."


def _problems(facts: GpuFacts, asked: int) -> Iterator[str]:
    if facts.cuda_version is None:
        yield "torch in this image is built without CUDA, so use an image that is built for GPUs"
    if not facts.has_driver_library:
        yield _without_driver(facts)
    elif facts.cuda_version and facts.driver_cuda and _major(facts.driver_cuda) < _major(facts.cuda_version):
        newer = f"to {facts.oldest_driver} or later" if facts.oldest_driver else f"to one for CUDA {facts.cuda_version}"
        yield f"the node's NVIDIA driver is too old, so update it {newer}"
    if not facts.mmcv_has_cuda:
        yield "mmcv in this image has no CUDA operators, so use an image that is built with MMCV_OPS=cuda"
    if facts.mig_slices > 1 and asked > 1:
        yield (
            f"this container has {facts.mig_slices} MIG slices, of which a process can use one, so set "
            "training.gpusPerNode to 1"
        )
        return
    for gpu in facts.gpus[:asked]:
        if not _is_supported(gpu, facts):
            capability = ".".join(map(str, gpu.capability))
            built_for = ", ".join(facts.architectures)
            yield f"{_title(gpu)} has compute capability {capability}, and torch is built for {built_for}"
        elif gpu.trouble:
            yield f"{_title(gpu)} fails with {_quoted(gpu.trouble)}"
    if facts.cuda_version and facts.has_driver_library and len(facts.gpus) < asked:
        yield (
            f"torch sees {len(facts.gpus)} of {facts.device_files} /dev/nvidia* files, so check the node's driver, the "
            "pod's resources and CUDA_VISIBLE_DEVICES"
        )


def _without_driver(facts: GpuFacts) -> str:
    runtime = "set training.podTemplate.runtimeClassName to nvidia, or make that runtime the node's default"
    if facts.driver:
        return f"the node has an NVIDIA driver that this container was not given, so {runtime}"
    return (
        f"this container has no NVIDIA driver and {facts.device_files or 'no'} /dev/nvidia* files, so {runtime}, "
        "install the driver on the node, or set training.device (--device) to cpu if the CPU is meant"
    )


def _versions(facts: GpuFacts) -> str:
    needs = f"torch {facts.torch_version}"
    if facts.cuda_version:
        needs += f" needs CUDA {facts.cuda_version}"
        if facts.oldest_driver:
            needs += f", that is driver {facts.oldest_driver} or later"
    said = f", and torch says {_quoted(facts.said)}" if facts.said else ""
    found = facts.driver or ("one of unknown version" if facts.has_driver_library else "none")
    if facts.driver_cuda:
        found += f" for CUDA {facts.driver_cuda}"
    return f"{needs}; the driver found is {found}{said}"


def _is_supported(gpu: Gpu, facts: GpuFacts) -> bool:
    """Whether torch has code for the GPU: machine code of the same major version, or code to compile for it."""
    major, minor = gpu.capability
    for architecture in facts.architectures:
        kind, _, digits = architecture.partition("_")
        number = int("".join(filter(str.isdigit, digits)) or 0)  # sm_90a is for sm_90 alone
        if kind == "sm" and number // 10 == major and number % 10 <= minor:
            return True
        if kind == "compute" and number <= 10 * major + minor:
            return True
    return not facts.architectures


def _title(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _quoted(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return f'"{line}"' if len(line) <= MAX_QUOTED_CHARACTERS else f'"{line[: MAX_QUOTED_CHARACTERS - 1]}…"'
