"""Measures what the labels of a dense page take when they are assigned to anchors: ours beside mmdetection's own.

make bench-dense-pages                                       a minute
make bench-dense-pages BENCH='--update docs/benchmarks.md'   renews the figures of the documentation
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from hack.bench import figures
from hack.bench.figures import MEBIBYTE
from hack.bench.preprocess import machine_name, say

LABELS = (50, 500)
WAYS = {"MaxIoUAssigner": "mmdetection's", "ChunkedMaxIoUAssigner": "ours"}
WIDTH, HEIGHT = 800, 1131  # of an A4 page whose short side is 800


def assign(kind: str, labels: int) -> dict[str, float]:
    """Assign as the RPN of the default config does. Returns CPU seconds, and the bytes by which the peak memory of this
    process grew.
    """
    import torch  # noqa: PLC0415  takes seconds, and only the process that measures needs it
    from mmdet.registry import TASK_UTILS  # noqa: PLC0415
    from mmdet.utils import register_all_modules  # noqa: PLC0415
    from mmengine.config import Config  # noqa: PLC0415
    from mmengine.structures import InstanceData  # noqa: PLC0415

    import training.train.network  # noqa: F401, PLC0415  registers ours
    from training.model import config  # noqa: PLC0415

    torch.set_num_threads(1)
    register_all_modules()
    model = Config.fromfile(str(config.find(config.DEFAULT_CONFIG, download_to=Path()))).model
    generator = TASK_UTILS.build(model.rpn_head.anchor_generator)
    sizes = [(-(-HEIGHT // height), -(-WIDTH // width)) for width, height in generator.strides]
    anchors = torch.cat(generator.grid_priors(sizes, device="cpu"))
    is_inside = (anchors[:, :2] >= 0).all(dim=1) & (anchors[:, 2] <= WIDTH) & (anchors[:, 3] <= HEIGHT)
    torch.manual_seed(0)
    corners = torch.rand(labels, 2) * torch.tensor([WIDTH - 60.0, HEIGHT - 20.0])
    cells = torch.cat([corners, corners + torch.rand(labels, 2) * torch.tensor([50.0, 15.0]) + 5], dim=1)
    assigner = TASK_UTILS.build({**model.train_cfg.rpn.assigner, "type": kind})
    page = InstanceData(priors=anchors[is_inside]), InstanceData(bboxes=cells, labels=torch.zeros(labels).long())
    peak_kib, started_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assigner.assign(*page)
    cpu_s = time.process_time() - started_s
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib
    return {"anchors": int(is_inside.sum()), "cpu_s": cpu_s, "grown_bytes": grown_kib * 1024}


def measure(kind: str, labels: int) -> dict[str, float]:
    """`assign` in a process of its own, since a process's peak memory never falls."""
    command = [sys.executable, "-m", "hack.bench.dense_pages", "--one", kind, str(labels)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, labels = options.one
        print(json.dumps(assign(kind, int(labels))))
        return
    rows, anchors = [], 0.0
    for kind, title in WAYS.items():
        for labels in LABELS:
            say(f"{labels} labels, {kind}")
            found = measure(kind, labels)
            anchors = found["anchors"]
            rows.append([title, f"{labels}", f"{found['grown_bytes'] / MEBIBYTE:,.0f}", f"{found['cpu_s']:.1f}"])
    text = (
        f"{machine_name()}, load average at the end {os.getloadavg()[0]:.1f}; "
        f"`make bench-dense-pages BENCH='{' '.join(sys.argv[1:])}'`.\n\n"
        f"An A4 page at short side {WIDTH}, {anchors:,.0f} anchors of the default config.\n\n"
        f"{figures.table(('assigner', 'labels', 'peak MiB', 'CPU s'), rows)}"
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-dense-pages"))


if __name__ == "__main__":
    main()
