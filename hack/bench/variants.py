"""Measures what could make an iteration faster, each beside the training as it is: does it help here?

make bench-variants                                       minutes
make bench-variants BENCH='--update docs/benchmarks.md'   renews the figures of the documentation
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch

from hack.bench import figures
from hack.bench.preprocess import machine_name, say
from hack.bench.train import CONFIG, Training, prepare, table
from hack.s3.server import running_s3_server

VARIANTS = {
    "channels last": ("--cfg-options", "custom_hooks.0.channels_last=True"),
    "a data worker, made anew each epoch": ("--cfg-options", "train_dataloader.num_workers=1"),
    "pages that are decoded in no time": ("--cfg-options", "custom_hooks.0.cached_pages=True"),
}

ON_A_GPU = {"mixed precision, bfloat16": ("--amp", "bf16"), "mixed precision, float16": ("--amp", "fp16")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--pages", type=int, default=30)
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    variants = {"as it is": (), **VARIANTS, **(ON_A_GPU if torch.cuda.is_available() else {})}
    runs: dict[str, list[Training]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_s3_server() as server:
        bench = prepare(Path(name), pages=options.pages, epochs=options.epochs, server=server)
        for repetition in range(options.repetitions):
            for number, (title, arguments) in enumerate(variants.items()):
                say(f"{title}: {repetition + 1} of {options.repetitions}")
                runs.setdefault(title, []).append(bench.ours(f"{number}", *arguments))
    text = (
        f"{machine_name()}, {CONFIG}, {options.repetitions} repetitions, load average at the end "
        f"{os.getloadavg()[0]:.1f}; `make bench-variants BENCH='{' '.join(sys.argv[1:])}'`.\n\n"
        f"{table(runs, {}, base_name='as it is')}"
    )
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-variants"))


if __name__ == "__main__":
    main()
