"""Builds mmcv with the two CUDA operators that our networks use, in about a minute of sixteen cores.

The whole of mmcv takes an hour of a core for its sixty operators. Here its CPU operators are compiled in a dozen
translation units, and of CUDA's only RoIAlign and NMS.
"""

import shutil
import tarfile
from pathlib import Path

CUDA_OPERATORS = ("roi_align_cuda.cu", "nms_cuda.cu")
UNITS = 12
# Operators that define the same names, so that they cannot be in one translation unit; as in hack/setup/mmcv_wheel.sh.
APART = (("roi_align", "psamask"), ("roi_align_rotated", "rotated_feature_align"))


def build(sdist: Path, site: Path, scratch: Path) -> None:
    """Compile the mmcv of `sdist` for the GPU that is here, or for TORCH_CUDA_ARCH_LIST, into the folder `site`.

    Raises RuntimeError, with the compiler's words, if that fails.
    """
    from torch.utils import cpp_extension  # noqa: PLC0415  only a machine with CUDA's compiler gets here

    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, filter="data")
    (package,) = scratch.glob("mmcv-*/mmcv")
    csrc = package / "ops" / "csrc"
    sources = [
        *translation_units(csrc / "pytorch", scratch),
        Path(__file__).with_name("cudabind.cpp"),
        *(csrc / "pytorch" / "cuda" / name for name in CUDA_OPERATORS),
    ]
    objects = scratch / "objects"
    objects.mkdir()
    # The C++ standard that mmcv's own setup.py takes.
    common = ["-O2", "-w", "-std=c++17"]
    cpp_extension.load(
        name="_ext",
        sources=[str(source) for source in sources],
        extra_include_paths=[str(csrc / "pytorch"), str(csrc / "common"), str(csrc / "common" / "cuda")],
        extra_cflags=[*common, "-g0"],
        extra_cuda_cflags=[*common, "-DMMCV_WITH_CUDA"],
        build_directory=str(objects),
        with_cuda=True,
        is_python_module=False,
    )
    shutil.copytree(package, site / "mmcv", ignore=shutil.ignore_patterns("csrc"), dirs_exist_ok=True)
    shutil.copy(objects / "_ext.so", site / "mmcv" / "_ext.so")


def translation_units(pytorch: Path, scratch: Path) -> list[Path]:
    """C++ files that include mmcv's, all but info.cpp, which cudabind.cpp includes."""
    apart = [[pytorch / "cpu" / f"{name}.cpp" for name in names] for names in APART]
    others = sorted({*pytorch.glob("*.cpp"), *pytorch.glob("cpu/*.cpp")} - {path for unit in apart for path in unit})
    others.remove(pytorch / "info.cpp")
    units = [*apart, *(others[start::UNITS] for start in range(UNITS))]
    made = []
    for number, unit in enumerate(units):
        made.append(scratch / f"unit_{number}.cpp")
        made[-1].write_text("".join(f'#include "{path}"\n' for path in unit))
    return made
