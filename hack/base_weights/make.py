"""Makes the base weights that ship with the worker as builtin://tables-tiny, from drawn documents alone.

make base-weights                  an hour and a half on one core; writes the .pth and its manifest into the worker
make base-weights MODEL=model.pth  only turns the model that an earlier call left in its working folder into them

The recipe is the constants below; with the same libraries it gives the same weights on every machine with CPUs of one
kind.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from training.model.base_weights.builtin import FOLDER

from hack import documents
from hack.documents.corpus import draw_corpus

ROOT = Path(__file__).resolve().parents[2]
NAME = "tables-tiny"
CONFIG = "config_3_cls_tiny.py"
DOCUMENTS, SEED = 600, 777
SPLIT = "94,3,3"
EPOCHS = 8
# Drawn pages are plenty: none need be used twice in an epoch.
OPTIONS = ("train_dataloader.dataset.times=1",)


def train(folder: Path) -> Path:
    """Draws the documents, prepares and trains, or goes on from where an earlier call stopped. Returns the model."""
    corpus = folder / "corpus"
    if not corpus.is_dir():
        draw_corpus(folder / "corpus.part", documents=DOCUMENTS, seed=SEED)
        (folder / "corpus.part").rename(corpus)
    _run("preprocess", "--source", str(corpus), "--working_dir", str(folder / "prepared"), "--split", SPLIT)
    model = folder / "model.pth"
    _run(
        "train", str(folder / "prepared" / "ttv"), str(folder / "work"), "--config", CONFIG, "--device", "cpu",
        "--num-epoch", str(EPOCHS), "--resume-from", "auto", "--model_output", str(model), "--cfg-options", *OPTIONS,
    )  # fmt: skip
    return model


def _run(module: str, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "worker"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", f"training.{module}", *arguments], env=environment, check=True)


def halved(model: Path) -> dict[str, Any]:
    """The model's content with its weights in float16, which halves the file; a training widens them again."""
    content: dict[str, Any] = torch.load(model, map_location="cpu", weights_only=True)
    state = content["state_dict"]
    return {
        "meta": {"dataset_meta": content["meta"]["dataset_meta"]},
        "state_dict": {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
    }


def store(model: Path, folder: Path) -> dict[str, Any]:
    """Write the weights and their manifest, which says how they were made. Returns the manifest."""
    published = json.loads(Path(f"{model}.manifest.json").read_bytes())
    path = folder / f"{NAME}.pth"
    torch.save(halved(model), path)
    manifest = {
        "name": NAME,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "sizeBytes": path.stat().st_size,
        "config": CONFIG,
        "classes": published["classes"],
        "recipe": {
            "documents": DOCUMENTS,
            "seed": SEED,
            "split": SPLIT,
            "epochs": EPOCHS,
            "options": list(OPTIONS),
            "generatorSha256": generator_sha256(),
            "configSha256": published["configSha256"],
        },
        "metrics": published["metrics"],
        "versions": published["versions"],
    }
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def generator_sha256() -> str:
    """Of the modules that draw the documents."""
    digest = hashlib.sha256()
    for path in sorted(Path(documents.__path__[0]).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="working folder, which an interrupted call goes on from")
    parser.add_argument("--model", type=Path, help="a model that training.train published by this recipe")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    manifest = store(options.model or train(options.folder), FOLDER)
    print(f"{FOLDER / NAME}.pth: {manifest['sizeBytes']:,} bytes, test {manifest['metrics']['test']}")


if __name__ == "__main__":
    main()
