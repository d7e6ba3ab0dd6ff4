"""Trains the small config on the demo's corpus, and looks for the tables of a document that it has never seen.

make bench-learn                                        ten minutes
make bench-learn BENCH='--update docs/benchmarks.md'    renews the figure of the documentation
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.bench import figures
from hack.bench.measure import measure
from hack.bench.preprocess import ROOT, machine_name, say
from hack.documents.corpus import draw_corpus

CONFIG = "config_3_cls_tiny.py"
DOCUMENTS = 24  # the demo's
UNSEEN_SEED = 77
FOUND_IOU = 0.5
METRICS = ("table_mAP", "Cell_mAP", "header_mAP", "bbox_mAP", "bbox_mAP_50")


def run(module: str, *arguments: str) -> float:
    """Minutes that a command of the worker took."""
    started_s = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "OMP_NUM_THREADS": "1"}
    measure([sys.executable, "-m", f"training.{module}", *arguments], environment)
    return (time.monotonic() - started_s) / 60


def tables(document: dict[str, Any]) -> list[list[tuple[float, float, float, float]]]:
    """The boxes of the tables, page by page: left, top, right, bottom."""
    return [
        [
            (box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"])
            for block in page["blocks"]
            if block["type"] == "table"
            for box in [block["bbox"]]
        ]
        for page in document["pages"]
    ]


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (areas - common)


def found(truth: dict[str, Any], predicted: dict[str, Any]) -> tuple[int, int, int]:
    """How many tables were found, how many there are, how many boxes were predicted that are none."""
    hits = total = wrong = 0
    for there, said in zip(tables(truth), tables(predicted), strict=True):
        matched = [any(overlap(box, guess) >= FOUND_IOU for guess in said) for box in there]
        hits, total = hits + sum(matched), total + len(there)
        wrong += sum(all(overlap(box, guess) < FOUND_IOU for box in there) for guess in said)
    return hits, total, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--score", type=float, default=0.3, help="of the predictions that count")
    parser.add_argument("--update", type=Path, help="Markdown file whose figure is replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        draw_corpus(folder / "corpus", documents=DOCUMENTS, seed=0)
        draw_corpus(folder / "unseen", documents=4, seed=UNSEEN_SEED)
        run("preprocess", "--source", str(folder / "corpus"), "--working_dir", str(folder / "prepared"))
        say(f"training for {options.epochs} epochs")
        model = folder / "model.pth"
        minutes = run(
            "train", str(folder / "prepared" / "ttv"), str(folder / "work"), "--config", CONFIG,
            "--model_output", str(model), "--num-epoch", str(options.epochs),
        )  # fmt: skip
        seconds = 60 * run(
            "infer", str(folder / "unseen" / "pdfs"), str(folder / "predicted"), "--model", str(model),
            "--score", str(options.score),
        )  # fmt: skip
        manifest = json.loads(Path(f"{model}.manifest.json").read_bytes())
        dataset = json.loads((folder / "prepared" / "ttv" / "manifest.json").read_bytes())
        counts = [
            found(json.loads(path.read_bytes()), json.loads((folder / "predicted" / "json" / path.name).read_bytes()))
            for path in sorted((folder / "unseen" / "json").glob("*.json"))
        ]
    hits, total, wrong = (sum(column) for column in zip(*counts, strict=True))
    rows = [
        [split, *(f"{manifest['metrics'][split].get(metric, float('nan')):.3f}" for metric in METRICS)]
        for split in ("val", "test")
    ]
    pages = {split: summary["images"] for split, summary in dataset["splits"].items()}
    text = (
        f"{machine_name()}; `make bench-learn BENCH='{' '.join(sys.argv[1:])}'`.\n\n"
        f"{CONFIG}, {DOCUMENTS} drawn documents ({pages['train']} pages to train on, {pages['val']} for val, "
        f"{pages['test']} for test), {options.epochs} epochs from random weights: {minutes:.1f} minutes, start-up "
        f"included.\n\n{figures.table(('', *METRICS), rows)}\n\n"
        f"`training.infer --score {options.score}` on four documents drawn with another seed ({seconds:.0f} s): "
        f"{hits} of {total} tables found at IoU {FOUND_IOU}, {wrong} boxes that are no table."
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-learn"))


if __name__ == "__main__":
    main()
