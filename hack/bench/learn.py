"""What the small config learns from few documents, and what its choices are worth.

make bench-learn                                                  an hour and more: three seeds of each variant
make bench-learn BENCH='--update docs/benchmarks.md'              renews the figures of the documentation
make bench-learn BENCH='--only "random weights" --seeds 1'        one run
make bench-learn BENCH='--source FOLDER'                          on pdfs/ and json/ of FOLDER instead of drawn ones

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

from hack.bench import figures
from hack.bench.measure import measure
from hack.bench.preprocess import ROOT, machine_name, say
from hack.documents.corpus import draw_corpus

CONFIG = "config_3_cls_tiny.py"
DOCUMENTS, CORPUS_SEED = 54, 0
SPLIT = "45,10,45"  # half of the pages to test on: fewer say little
METRICS = ("table_mAP_50", "table_recall_50", "table_precision_50", "table_mAP", "Cell_mAP", "header_mAP", "bbox_mAP")
# The small config's pipeline with mirrored pages instead of resized ones.
MIRRORED = """
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            pipeline=[
                dict(type="LoadImageFromFile"),
                dict(type="LoadAnnotations", with_bbox=True),
                dict(type="RandomFlip", prob=0.5),
                dict(type="Resize", scale=(448, 448), keep_ratio=True),
                dict(type="PackDetInputs"),
            ]
        )
    )
)
"""


@dataclass(frozen=True)
class Variant:
    """What differs from the small config as it is: arguments of training.train, lines of a config on top of it."""

    arguments: tuple[str, ...] = ()
    config: str = ""


VARIANTS: Mapping[str, Variant] = {
    "random weights": Variant(),
    "positives not balanced": Variant(config="balance_categories = False"),
    "mirrored, not resized": Variant(config=MIRRORED),
    "base weights": Variant(arguments=("--load-from", "builtin://tables-tiny")),
}


def run(module: str, *arguments: str) -> None:
    """Run a command of the worker."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "OMP_NUM_THREADS": "1"}
    measure([sys.executable, "-m", f"training.{module}", *arguments], environment)


def train(dataset: Path, folder: Path, variant: Variant, *, seed: int, epochs: int | None) -> dict[str, float]:
    """Train once; the test metrics of the model's manifest."""
    model, config = folder / "model.pth", folder / "config.py"
    config.write_text(f"_base_ = [{str(ROOT / 'configs' / CONFIG)!r}]\n{variant.config}")
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of every variant (default: the config's)")
    parser.add_argument("--only", action="append", choices=VARIANTS, help="a variant, may be repeated")
    parser.add_argument("--source", type=Path, help="folder with pdfs/ and json/ instead of drawn documents")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if options.source is None:
            draw_corpus(folder / "corpus", documents=DOCUMENTS, seed=CORPUS_SEED)
        source = options.source or folder / "corpus"
        run("preprocess", "--source", str(source), "--working_dir", str(folder / "prepared"), "--split", SPLIT)
        dataset = folder / "prepared" / "ttv"
        for variant in options.only or VARIANTS:
            found, minutes = [], []
            for seed in range(options.seeds):
                say(f"{variant}, seed {seed}")
                started_s = time.monotonic()
                place = folder / f"{len(rows)}-{seed}"
                place.mkdir()
                found.append(train(dataset, place, VARIANTS[variant], seed=seed, epochs=options.epochs))
                minutes.append((time.monotonic() - started_s) / 60)
            rows.append(row(variant, found, minutes))
            print(figures.table(("", *METRICS, "minutes"), [rows[-1]]), file=sys.stderr)
        pages = {
            split: summary["images"]
            for split, summary in json.loads((dataset / "manifest.json").read_bytes())["splits"].items()
        }
    text = (
        f"{machine_name()}; `make bench-learn BENCH='{' '.join(sys.argv[1:])}'`.\n\n"
        f"{CONFIG}, {'drawn' if options.source is None else 'real'} documents ({pages['train']} pages to train on, "
        f"{pages['val']} for val, {pages['test']} for test); on the test pages, the mean of {options.seeds} seeds with "
        f"the least and the largest:\n\n{figures.table(('', *METRICS, 'minutes'), rows)}"
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-learn"))


if __name__ == "__main__":
    main()
