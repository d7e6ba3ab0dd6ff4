"""What the small config learns from few documents, and what its choices are worth.

make bench-learn                                                  an hour and more: three seeds of each variant
make bench-learn BENCH='--real FOLDER'                            on pdfs/ and json/ of FOLDER, too
make bench-learn BENCH='--update docs/benchmarks.md'              renews the figures of the documentation
make bench-learn BENCH='--only "random weights" --seeds 1'        one run

Seeds differ by more than most choices are worth, so a figure is a mean over seeds, with the least and the largest.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from mmengine.config import Config

from hack.bench import figures
from hack.bench.measure import measure
from hack.bench.preprocess import ROOT, machine_name, say
from hack.documents.corpus import draw_corpus

CONFIG = "config_3_cls_tiny.py"
DOCUMENTS, CORPUS_SEED = 54, 0
SPLIT = "45,10,45"  # half of the pages to test on: fewer say little
METRICS = ("table_mAP_50", "table_recall_50", "table_precision_50", "table_mAP", "Cell_mAP", "header_mAP", "bbox_mAP")
BASE_WEIGHTS = ("--load-from", "builtin://tables-tiny")


@dataclass(frozen=True)
class Variant:
    """What differs from the small config as it is: arguments of training.train, lines of a config on top of it, and
    whether half of the pages are mirrored.
    """

    arguments: tuple[str, ...] = ()
    config: str = ""
    is_mirrored: bool = False


VARIANTS: Mapping[str, Variant] = {
    "base weights": Variant(BASE_WEIGHTS),
    "base weights, positives not balanced": Variant(BASE_WEIGHTS, "balance_categories = False"),
    "base weights, mirrored": Variant(BASE_WEIGHTS, is_mirrored=True),
    "random weights": Variant(),
}


def run(module: str, *arguments: str) -> None:
    """Run a command of the worker."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "OMP_NUM_THREADS": "1"}
    measure([sys.executable, "-m", f"training.{module}", *arguments], environment)


def mirrored_pipeline() -> str:
    """Lines of a config that mirror half of the pages, in the small config's own pipeline."""
    *steps, packing = Config.fromfile(ROOT / "configs" / CONFIG).train_pipeline
    pipeline = [*map(dict, steps), {"type": "RandomFlip", "prob": 0.5}, dict(packing)]
    return f"train_dataloader = dict(dataset=dict(dataset=dict(pipeline={pipeline})))\n"


def train(dataset: Path, folder: Path, variant: Variant, *, seed: int, epochs: int | None) -> dict[str, float]:
    """Train once; the test metrics of the model's manifest."""
    model, config = folder / "model.pth", folder / "config.py"
    lines = variant.config + (mirrored_pipeline() if variant.is_mirrored else "")
    config.write_text(f"_base_ = [{str(ROOT / 'configs' / CONFIG)!r}]\n{lines}")
    run(
        "train", str(dataset), str(folder / "work"), "--config", str(config), "--model_output", str(model), "--device",
        "cpu", "--seed", str(seed), *(["--num-epoch", str(epochs)] if epochs else []), *variant.arguments,
    )  # fmt: skip
    metrics: dict[str, float] = json.loads(Path(f"{model}.manifest.json").read_bytes())["metrics"]["test"]
    return metrics


def cell(values: Sequence[float]) -> str:
    """The mean of some seeds, with the least and the largest."""
    if not values:
        return "-"
    return f"{mean(values):.3f}" + (f" ({min(values):.3f}..{max(values):.3f})" if len(values) > 1 else "")


def row(name: str, found: Sequence[Mapping[str, float]], minutes: Sequence[float]) -> list[str]:
    """A variant's line of the table."""
    values = (cell([metrics[metric] for metrics in found if metric in metrics]) for metric in METRICS)
    return [name, *values, f"{mean(minutes):.1f}"]


def prepared(source: Path, working_dir: Path) -> Path:
    """The dataset of a folder with pdfs/ and json/."""
    run("preprocess", "--source", str(source), "--working_dir", str(working_dir), "--split", SPLIT)
    return working_dir / "ttv"


def section(
    title: str, dataset: Path, scratch: Path, *, variants: Sequence[str], seeds: int, epochs: int | None
) -> str:
    """Train each variant on a dataset with each seed; the table of what they reach on its test pages."""
    rows = []
    for variant in variants:
        found, minutes = [], []
        for seed in range(seeds):
            say(f"{title}: {variant}, seed {seed}")
            started_s = time.monotonic()
            with tempfile.TemporaryDirectory(dir=scratch) as place:
                found.append(train(dataset, Path(place), VARIANTS[variant], seed=seed, epochs=epochs))
            minutes.append((time.monotonic() - started_s) / 60)
        rows.append(row(variant, found, minutes))
        print(figures.table(("", *METRICS, "minutes"), [rows[-1]]), file=sys.stderr)
    splits = json.loads((dataset / "manifest.json").read_bytes())["splits"]
    pages = {split: summary["images"] for split, summary in splits.items()}
    return (
        f"{title} ({pages['train']} pages to train on, {pages['val']} for val, {pages['test']} for test); on the test "
        f"pages, the mean of {seeds} seeds with the least and the largest:\n\n"
        f"{figures.table(('', *METRICS, 'minutes'), rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of every variant (default: the config's)")
    parser.add_argument("--only", action="append", choices=VARIANTS, help="a variant, may be repeated")
    parser.add_argument("--real", type=Path, help="folder with pdfs/ and json/ to learn from as well")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        draw_corpus(folder / "corpus", documents=DOCUMENTS, seed=CORPUS_SEED)
        sources = {"Drawn documents": folder / "corpus"} | ({"Real documents": options.real} if options.real else {})
        datasets = {title: prepared(source, folder / title) for title, source in sources.items()}
        sections = [
            section(
                title, dataset, folder, variants=options.only or list(VARIANTS), seeds=options.seeds,
                epochs=options.epochs,
            )
            for title, dataset in datasets.items()
        ]  # fmt: skip
    text = "\n\n".join([f"{machine_name()}, {CONFIG}; `make bench-learn BENCH='{' '.join(sys.argv[1:])}'`.", *sections])
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-learn"))


if __name__ == "__main__":
    main()
