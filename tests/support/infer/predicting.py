"""A detector that sees what preprocess made of a corpus' annotations, and what tests of predictions read."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.infer.predictor import PageDetector
from training.labels.categories import LabelledBox
from training.model.detections import Detection

Labels = Mapping[tuple[str, int], list[LabelledBox]]  # by document and page


@dataclass
class TruthfulDetector:
    """Detects exactly the labels; `chunks` are the numbers of pages that it was shown at once."""

    names: Sequence[str]  # of the documents, as they are predicted on
    labels: Labels
    chunks: list[int] = field(default_factory=list)

    def load(self, *_: object) -> PageDetector:
        return self

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        self.chunks.append(len(images))
        return [self._page(image) for image in images]

    def _page(self, image: Path) -> list[Detection]:
        (index,) = (int(part) for part in image.parts if re.fullmatch(r"\d{6}", part))
        page = int(image.stem.rpartition("-")[2]) - 1
        return [Detection(label.category, 0.9, label.box) for label in self.labels[self.names[index - 1], page]]


def prepare(source: Path, target: Path) -> Labels:
    """Runs preprocess; the labels of all pages that it made."""
    command = [sys.executable, "-m", "training.preprocess", "--source", str(source), "--working_dir", str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    found: dict[tuple[str, int], list[LabelledBox]] = {}
    for split in ("train", "val", "test"):
        content = json.loads((target / "ttv" / split / f"{split}.json").read_bytes())
        pages = {}
        for image in content["images"]:
            name, _, page = image["file_name"].removesuffix(".jpg").rpartition("_")
            pages[image["id"]] = name, int(page)
            found[name, int(page)] = []
        for annotation in content["annotations"]:
            found[pages[annotation["image_id"]]].append(LabelledBox(annotation["category_id"], *annotation["bbox"]))
    return found


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A document's predictions."""
    return dict(json.loads((folder / "json" / f"{name}.json").read_bytes()))


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
