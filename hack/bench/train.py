"""Measures training beside mmdetection's own entry, and prints a table in Markdown.

    make bench-train                                            a quarter of an hour
    make bench-train BENCH='--repetitions 1 --epochs 2'         does it work
    make bench-train BENCH='--update docs/benchmarks.md'        renews the figures of the documentation
    make bench-train BENCH='--before ../old/worker'             beside what another checkout's worker takes

The same config, pages and seed in every way, in turns. mmdetection's entry is the train.py that its package ships, run
on the resolved config of ours, with its own checkpoint hook.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from statistics import mean, median

import mmdet

from hack.bench import figures
from hack.bench.corpora import many_small
from hack.bench.measure import Usage, measure
from hack.bench.preprocess import ROOT, machine_name, say
from hack.s3.server import S3Server, running_s3_server

CONFIG = "config_3_cls_tiny.py"
ENTRY = Path(mmdet.__file__).parent / ".mim" / "tools" / "train.py"
NEVER = 10_000


@dataclass(frozen=True)
class Training:
    """One run: `seconds` an iteration within the epochs, in order; `start_s` from the command to its first one."""

    usage: Usage
    start_s: float
    seconds: tuple[float, ...]
    between_epochs_s: tuple[float, ...]  # from the last iteration of an epoch to the first of the next

    @classmethod
    def read(cls, usage: Usage, started_s: float, clock: Path) -> "Training":
        lines = [line.split() for line in clock.read_text().splitlines()]
        epochs = [[float(at) for at, _ in group] for _, group in groupby(lines, key=lambda line: line[1])]
        return cls(
            usage=usage,
            start_s=epochs[0][0] - started_s,
            seconds=tuple(after - before for epoch in epochs for before, after in pairwise(epoch)),
            between_epochs_s=tuple(after[0] - before[-1] for before, after in pairwise(epochs)),
        )


@dataclass(frozen=True)
class Bench:
    """What all ways share."""

    folder: Path
    dataset: Path
    config: Path  # as our command takes it
    resolved: Path  # as mmdetection's takes it
    epochs: int
    server: S3Server
    worker: Path = ROOT / "worker"

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str] = {}, *, watch: bool = False) -> Training:
        clock = self.folder / f"{name}.clock"
        path = f"{self.worker}{os.pathsep}{ROOT}"
        environment = {**os.environ, "PYTHONPATH": path, "ITERATION_CLOCK": str(clock), "OMP_NUM_THREADS": "1", **env}
        started_s = time.time()
        return Training.read(measure(command, environment, watch_memory=watch), started_s, clock)

    def ours(self, name: str, *more: str, checkpoints: str = "", watch: bool = False) -> Training:
        work = Path(tempfile.mkdtemp(dir=self.folder))
        command = [sys.executable, "-m", "training.train", str(self.dataset), str(work), "--config", str(self.config)]
        command += ["--model_output", str(work / "model.pth"), "--num-epoch", str(self.epochs)]
        command += ["--checkpoint-output", checkpoints or str(work / "checkpoints"), *more]
        return self.run(name, command, self.server.environment, watch=watch)

    def theirs(self, name: str, *, watch: bool = False) -> Training:
        work = tempfile.mkdtemp(dir=self.folder)
        return self.run(name, [sys.executable, str(ENTRY), str(self.resolved), "--work-dir", work], watch=watch)


def prepare(folder: Path, *, pages: int, epochs: int, server: S3Server) -> Bench:
    """A dataset, and the config in both forms: theirs is what ours resolves it to, bound to the same files."""
    corpus = many_small(folder / "corpus", pages=pages)
    command = [sys.executable, "-m", "training.preprocess", "--source", str(corpus.folder)]
    command += ["--working_dir", str(folder / "prepared")]
    measure(command, {**os.environ, "PYTHONPATH": str(ROOT / "worker")})
    dataset = folder / "prepared" / "ttv"
    config = folder / "ours.py"
    config.write_text(
        f"_base_ = [{str(ROOT / 'configs' / CONFIG)!r}]\n"
        "custom_imports = dict(imports=['hack.bench.iteration_clock'])\n"
        "custom_hooks = [dict(type='IterationClock')]\n"
    )
    resolved = folder / "theirs.py"
    resolved.write_text(_bound(config, dataset, epochs))
    return Bench(folder, dataset, config, resolved, epochs, server)


def _bound(path: Path, dataset: Path, epochs: int) -> str:
    from training.dataset import training_set  # noqa: PLC0415
    from training.dataset.split import SPLITS  # noqa: PLC0415
    from training.model import config  # noqa: PLC0415
    from training.train import resolved_config  # noqa: PLC0415

    contents = {split: json.loads((dataset / split / f"{split}.json").read_bytes()) for split in SPLITS}
    facts = training_set.DatasetFacts(
        classes=tuple(item["name"] for item in contents["train"]["categories"]),
        images={split: len(content["images"]) for split, content in contents.items()},
    )
    found = resolved_config.resolve(config.load(path), facts, resolved_config.Choices(epochs=epochs))
    for split in SPLITS:
        loader = found[f"{split}_dataloader"]
        while "dataset" in loader:
            loader = loader["dataset"]
        loader["data_root"] = f"{dataset}/"
        if split != "train":
            found[f"{split}_evaluator"]["ann_file"] = f"{dataset}/{split}/{split}.json"
    found["default_hooks"]["checkpoint"] = {"type": "CheckpointHook", "interval": 1}
    return config.text(found)


def table(runs: Mapping[str, list[Training]], memory: Mapping[str, Training], *, base_name: str = "mmdetection") -> str:
    """Medians over the repetitions, beside the first way's."""
    times = f"× {base_name}"
    head = ["", "ms an iteration, median", times, "mean", times, "between two epochs, s"]
    head += ["start to first iteration, s", "CPU s", times, "peak MiB"]
    rows, base = [], next(iter(runs.values()))

    def of(trainings: list[Training]) -> tuple[float, float, float]:
        return (
            1000 * median(median(training.seconds) for training in trainings),
            1000 * median(mean(training.seconds) for training in trainings),
            median(training.usage.cpu_s for training in trainings),
        )

    theirs = of(base)
    for name, trainings in runs.items():
        middle, average, cpu_s = of(trainings)
        rows.append(
            [
                name,
                f"{middle:.1f}",
                f"{middle / theirs[0]:.3f}",
                f"{average:.1f}",
                f"{average / theirs[1]:.3f}",
                f"{median(mean(training.between_epochs_s) for training in trainings):.2f}",
                f"{median(training.start_s for training in trainings):.1f}",
                f"{cpu_s:.1f}",
                f"{cpu_s / theirs[2]:.3f}",
                f"{memory[name].usage.peak_bytes / figures.MEBIBYTE:,.0f}" if name in memory else "",
            ]
        )
    return figures.table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--worker", type=Path, default=ROOT / "worker", help="the code under test")
    parser.add_argument("--before", type=Path, help="the worker folder of another checkout, to compare with")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_s3_server() as server:
        bench = prepare(Path(name), pages=options.pages, epochs=options.epochs, server=server)
        bench = replace(bench, worker=options.worker.resolve())
        bucket = f"s3://{server.new_bucket()}/checkpoints"
        ways = {
            "mmdetection's own entry, a checkpoint an epoch": bench.theirs,
            "ours, a checkpoint an epoch, local disk": bench.ours,
            "ours, a checkpoint an epoch, S3": lambda way, **watch: bench.ours(way, checkpoints=bucket, **watch),
            "ours, no checkpoint but the last": lambda way, **watch: bench.ours(
                way, "--checkpoint-every-epochs", str(NEVER), **watch
            ),
        }
        if options.before:
            before = replace(bench, worker=options.before.resolve())
            ways["before, a checkpoint an epoch, local disk"] = before.ours
        runs: dict[str, list[Training]] = {}
        for repetition in range(options.repetitions):
            for number, (title, way) in enumerate(ways.items()):
                say(f"{title}: {repetition + 1} of {options.repetitions}")
                runs.setdefault(title, []).append(way(f"{number}"))
        memory = {title: way("memory", watch=True) for title, way in list(ways.items())[:3]}
    text = (
        f"{machine_name()}, {CONFIG}, {options.epochs} epochs of {len(runs[title][0].seconds) // options.epochs + 1} "
        f"iterations, {options.repetitions} repetitions, load average at the end {os.getloadavg()[0]:.1f}; "
        f"`make bench-train BENCH='{' '.join(sys.argv[1:])}'`.\n\n{table(runs, memory)}"
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-train"))


if __name__ == "__main__":
    main()
