"""Measures what storing a large checkpoint costs the training that goes on meanwhile.

make bench-upload                                       minutes
make bench-upload BENCH='--update docs/benchmarks.md'   renews the figures of the documentation
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from hack.bench import figures
from hack.bench.corpora import many_small
from hack.bench.measure import measure
from hack.bench.preprocess import ROOT, machine_name, say
from hack.bench.ways import server_pid
from hack.s3.server import running_s3_server

CONFIG = "config_3_cls_w18.py"
PAGES = 28
OVERRIDES = """
_base_ = [{base!r}]
custom_imports = dict(imports=['hack.bench.iteration_clock'])
custom_hooks = [dict(type='IterationClock')]
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
small = dict(type='Resize', scale=(128, 96), keep_ratio=True)
pack = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
train_dataloader = dict(batch_size=1, num_workers=0, dataset=dict(pipeline=[*load, small, pack]))
val_dataloader = dict(num_workers=0, dataset=dict(pipeline=[*load, small, pack]))
test_dataloader = dict(num_workers=0, dataset=dict(pipeline=[*load, small, pack]))
"""
WRITTEN = re.compile(r"^(\S+ \S+) INFO \S+: wrote the checkpoint of iteration (\d+) in ([\d.]+) s$", re.MULTILINE)
COMMITTED = re.compile(r"^(\S+ \S+) INFO \S+: checkpoint \S+, iteration (\d+)$", re.MULTILINE)


def timestamp(text: str) -> float:
    """Seconds since 1970 of a log line's time."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()


def make_way(server_pid: int) -> None:
    """Leaves the S3 server what the training does not take: in a cluster it is another machine."""
    for thread in Path(f"/proc/{server_pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), 19)


def rows_of(log: str, ends_s: list[float]) -> list[list[str]]:
    """A row a checkpoint: its iteration, its write, the time until it was committed, what the iterations in that time
    took longer than others do.
    """
    committed = {int(iteration): timestamp(at) for at, iteration in COMMITTED.findall(log)}
    steps = list(pairwise(ends_s))
    writes = [(timestamp(at), int(iteration), float(took)) for at, iteration, took in WRITTEN.findall(log)]
    busy = [(at, committed[iteration]) for at, iteration, _ in writes if iteration in committed]
    free = [
        end - start
        for start, end in steps
        if not any(start < until and end > since - 5 for since, until in busy) and end - start < 60
    ]
    usual_s = median(free)
    rows = []
    for at_s, iteration, write_s in writes:
        until_s = committed.get(iteration, at_s)
        during = [end - start for start, end in steps if start >= at_s - write_s - 0.1 and end <= until_s + usual_s]
        slower_s = sum(during) - len(during) * usual_s - (write_s if during else 0)
        rows.append(
            [
                f"{iteration}",
                f"{write_s:.2f}",
                f"{until_s - at_s:.1f}",
                f"{len(during)}",
                f"{slower_s:.2f}" if during else "at the end of an epoch",
                f"{usual_s:.2f}",
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1.0, help="between checkpoints")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_s3_server() as server:
        folder = Path(name)
        make_way(server_pid())
        corpus = many_small(folder / "corpus", pages=PAGES)
        environment = {
            **os.environ,
            **server.environment,
            "PYTHONPATH": f"{ROOT / 'worker'}{os.pathsep}{ROOT}",
            "ITERATION_CLOCK": str(folder / "clock"),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "training.preprocess", "--source", str(corpus.folder)]
        measure([*command, "--working_dir", str(folder / "prepared")], environment)
        config = folder / "large.py"
        config.write_text(OVERRIDES.format(base=str(ROOT / "configs" / CONFIG)))
        say("training")
        command = [sys.executable, "-m", "training.train", str(folder / "prepared" / "ttv"), str(folder / "work")]
        command += ["--config", str(config), "--num-epoch", str(options.epochs)]
        command += ["--model_output", str(folder / "model.pth"), "--checkpoint-output", f"s3://{server.new_bucket()}/c"]
        command += ["--checkpoint-every-minutes", str(options.minutes)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise SystemExit(result.stderr[-3000:])
        ends_s = [float(line.split()[0]) for line in (folder / "clock").read_text().splitlines()]
    head = [
        "iteration",
        "local write, s",
        "until committed, s",
        "iterations meanwhile",
        "their delay, s",
        "usual iteration, s",
    ]
    text = (
        f"{machine_name()}, {CONFIG}; `make bench-upload BENCH='{' '.join(sys.argv[1:])}'`.\n\n"
        f"{figures.table(head, rows_of(result.stderr, ends_s))}"
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-upload"))


if __name__ == "__main__":
    main()
