"""The steps of the GPU check. Each is a function from a Bench to a sentence for the table; it may raise anything."""

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hack.gpu.pages import write_dataset
from hack.gpu.trainings import Training

STOP_AFTER = 8  # iterations
FREE_FOR_OOM = 2 << 30  # bytes: CUDA's own needs fit, the default network's activations do not
MAX_ERROR = 1e-4  # of RoIAlign on a GPU, which adds in another order than a CPU
GIBIBYTE = 1 << 30


class SkippedError(Exception):
    """The step says nothing here; the message says why."""


@dataclass(frozen=True)
class Bench:
    """Where the steps work, and on what: the GPU, or, in a dry run, the CPU with the small config."""

    root: Path
    dry: bool

    @property
    def device(self) -> str:
        return "cpu" if self.dry else "cuda"

    @property
    def site(self) -> Path:
        """Where hack/gpu/check.sh put the packages that were carried."""
        return Path(os.environ["GPU_CHECK_SITE"])

    def training(self, name: str, *options: str) -> Training:
        """One epoch of the default config, of the small one in a dry run."""
        train = 10 if self.dry else 60
        dataset = self.root / "pages"
        if not dataset.exists():
            write_dataset(dataset, pages={"train": train, "val": 2, "test": 2}, cells=(40, 120))
        config = "configs/config_3_cls_tiny.py" if self.dry else "configs/config_3_cls_w18.py"
        return Training(self.root / name, dataset, config, self.device, ("--num-epoch", "1", *options))

    def needs_gpu(self) -> None:
        if self.dry:
            raise SkippedError("needs a GPU")


def machine(bench: Bench) -> str:
    import torch  # noqa: PLC0415  takes seconds, and each step is a process of its own

    words = [f"torch {torch.__version__}", f"Python {platform.python_version()}", f"{os.cpu_count()} cores"]
    if bench.dry:
        return ", ".join(["CPU", *words])
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    name, memory, driver = subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip().split(", ")
    return ", ".join([name, memory, f"driver {driver}", *words])


def operators_built(bench: Bench) -> str:
    bench.needs_gpu()
    import torch  # noqa: PLC0415

    from hack.gpu import mmcv_ops  # noqa: PLC0415

    (sdist,) = Path("build/gpu-carry").glob("mmcv-*.tar.gz")
    major, minor = torch.cuda.get_device_capability()
    os.environ["TORCH_CUDA_ARCH_LIST"] = f"{major}.{minor}"
    scratch = bench.root / "mmcv"
    scratch.mkdir()
    mmcv_ops.build(sdist, bench.site, scratch)
    return f"mmcv's CPU operators, RoIAlign and NMS for {major}.{minor}"


def operators(bench: Bench) -> str:
    import torch  # noqa: PLC0415
    from mmcv.ops import nms, roi_align  # noqa: PLC0415

    torch.manual_seed(0)
    features = torch.randn(2, 32, 100, 150)
    corners = torch.rand(400, 2) * torch.tensor([500.0, 300.0])
    rois = torch.cat([torch.randint(2, (400, 1)), corners, corners + torch.rand(400, 2) * 90 + 1], dim=1)
    boxes, scores = torch.cat([rois[:, 1:]] * 5) + torch.randn(2000, 4), torch.rand(2000)
    found = {}
    for device in ("cpu", bench.device):
        pixels = features.to(device, copy=True).requires_grad_()
        pooled = roi_align(pixels, rois.to(device), (7, 7), 0.25, 0, "avg", True)
        (gradient,) = torch.autograd.grad(pooled.square().sum(), pixels)
        _, kept = nms(boxes.to(device), scores.to(device), iou_threshold=0.5)
        found[device] = pooled.detach().cpu(), gradient.cpu(), kept.cpu()
    (pooled, gradient, kept), (pooled_here, gradient_here, kept_here) = found["cpu"], found[bench.device]
    forward = float((pooled - pooled_here).abs().max() / pooled.abs().max())
    backward = float((gradient - gradient_here).abs().max() / gradient.abs().max())
    if not max(forward, backward) < MAX_ERROR:
        raise RuntimeError(f"RoIAlign differs from the CPU's by {forward:.1e} forward and {backward:.1e} backward")
    if not torch.equal(kept, kept_here):
        raise RuntimeError(f"NMS keeps {len(kept_here)} boxes, and other ones than the CPU's {len(kept)}")
    return f"RoIAlign within {forward:.0e} forward, {backward:.0e} backward; NMS keeps the same {len(kept)} of 2,000"


def fp32(bench: Bench) -> str:
    return _train(bench.training("fp32"))


def fp16(bench: Bench) -> str:
    bench.needs_gpu()
    return _train(bench.training("fp16", "--amp", "fp16"))


def bf16(bench: Bench) -> str:
    return _train(bench.training("bf16", "--amp", "bf16"))


def stop_and_resume(bench: Bench) -> str:
    # With float16 on a GPU, so that the gradients' scale is stored and loaded, too.
    training = bench.training("resume", *(() if bench.dry else ("--amp", "fp16")))
    training.stop_after(STOP_AFTER).expect(143)
    before = training.iterations()[-1].iteration
    training.run("--resume-from", "auto").expect(0)
    numbers = [record.iteration for record in training.iterations()]
    if numbers != list(range(1, len(numbers) + 1)):
        raise RuntimeError(f"the iterations were {numbers}")
    return f"SIGTERM in iteration {before} ended it with 143; resumed after {before}, it finished all {len(numbers)}"


def out_of_memory(bench: Bench) -> str:
    bench.needs_gpu()
    with _little_memory_left():
        ended = bench.training("memory").run()
    ended.expect(86, "CudaOOM")
    return f"exit code 86, {ended.reason}: {ended.message}"


def dense_page(bench: Bench) -> str:
    took: dict[int, int | None] = {}
    for cells in (50, 500):
        pages = {"train": 2 if bench.dry else 6, "val": 1, "test": 1}
        dataset = write_dataset(bench.root / f"{cells}_cells", pages=pages, cells=(cells, cells))
        training = replace(bench.training(f"train_{cells}_cells"), dataset=dataset)
        training.run().expect(0)
        took[cells] = training.memory_bytes()
    few, many = took[50], took[500]
    if few is None or many is None:
        return "pages of 50 and of 500 cells are trained on; memory is counted on a GPU alone"
    more = f"{(many - few) / GIBIBYTE:+.2f} GiB"
    return f"50 cells {few / GIBIBYTE:.2f} GiB, 500 cells {many / GIBIBYTE:.2f} GiB: {more}"


def infer(bench: Bench) -> str:
    model = bench.training("fp32").model
    if not model.exists():
        raise SkippedError("needs the model of the training in float32")
    from training.model import bundle  # noqa: PLC0415
    from training.model.detector import Detector  # noqa: PLC0415

    folder = bench.root / "infer"
    folder.mkdir()
    detector = Detector(
        bundle.download_verified(bundle.destination(str(model)), folder), device=bench.device, batch_size=1
    )
    images = sorted((bench.root / "pages" / "train" / "images").iterdir())
    detector.detect(images[:3])
    started_s = time.monotonic()
    found = detector.detect(images)
    took_s = time.monotonic() - started_s
    boxes = sum(len(page) for page in found)
    return f"{len(images) / took_s:.1f} pages a second, of {len(images)} that were rendered before; {boxes} boxes"


@contextlib.contextmanager
def _little_memory_left() -> Iterator[None]:
    """Another process holds the GPU's memory but for FREE_FOR_OOM bytes."""
    hold = (
        "import sys, torch\n"
        f"size = torch.cuda.mem_get_info()[0] - {FREE_FOR_OOM}\n"
        "held = torch.empty(size, dtype=torch.uint8, device='cuda')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"held\n":
                raise RuntimeError("the GPU's memory could not be taken")
            yield
        finally:
            process.kill()


def _train(training: Training) -> str:
    training.run().expect(0)
    return training.summary()


@dataclass(frozen=True)
class Step:
    """A row of the table; `limit_s` is the most that it may take on a GPU."""

    title: str
    run: Callable[[Bench], str]
    limit_s: float


STEPS = (
    Step("the machine", machine, 30),
    Step("mmcv's operators are built", operators_built, 180),
    Step("they compute as on a CPU", operators, 60),
    Step("training, fp32", fp32, 90),
    Step("training, fp16", fp16, 75),
    Step("training, bf16", bf16, 75),
    Step("stopped and resumed", stop_and_resume, 120),
    Step("out of memory", out_of_memory, 60),
    Step("dense pages", dense_page, 120),
    Step("infer", infer, 60),
)
