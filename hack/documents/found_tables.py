"""Compares predicted tables with the true ones: how many were found, how many predictions are none.

    python -m hack.documents.found_tables TRUTH PREDICTED

compares each BadgerDoc file of the folder TRUTH with that of the same name in PREDICTED, as training.infer writes it.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.model.matching import ious

FOUND_IOU = 0.5
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class FoundTables:
    """The tables of some documents: how many there are, how many were found, how many predictions are no table."""

    found: int
    total: int
    wrong: int

    def __str__(self) -> str:
        wrong = "no box is wrong" if not self.wrong else f"{self.wrong} boxes are no table"
        return f"{self.found} of {self.total} tables found (IoU {FOUND_IOU}), {wrong}"


def compare_documents(truth: Iterable[Path], predicted: Path) -> FoundTables:
    """Compare BadgerDoc files with those of the same names in the folder `predicted`."""
    parts = [compare(json.loads(path.read_bytes()), json.loads((predicted / path.name).read_bytes())) for path in truth]
    return FoundTables(*(sum(getattr(part, name) for part in parts) for name in ("found", "total", "wrong")))


def compare(truth: dict[str, Any], predicted: dict[str, Any]) -> FoundTables:
    """Compare two documents in BadgerDoc's format; a prediction counts for one table alone."""
    found = total = wrong = 0
    said = {page["page_num"]: _tables(page) for page in predicted["pages"]}
    for page in truth["pages"]:
        there, guesses = _tables(page), said.get(page["page_num"], [])
        matched = _matched(there, guesses)
        found, total, wrong = found + matched, total + len(there), wrong + len(guesses) - matched
    return FoundTables(found, total, wrong)


def _tables(page: dict[str, Any]) -> list[Corners]:
    boxes = [block["bbox"] for block in page["blocks"] if block["type"] == "table"]
    return [(box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]) for box in boxes]


def _matched(there: Sequence[Corners], guesses: Sequence[Corners]) -> int:
    overlaps = ious(np.reshape(there, (-1, 4)), np.reshape(guesses, (-1, 4)))
    pairs = sorted(((share, *place) for place, share in np.ndenumerate(overlaps)), reverse=True)
    boxes: set[int] = set()
    taken: set[int] = set()
    for share, box, guess in pairs:
        if share >= FOUND_IOU and box not in boxes and guess not in taken:
            boxes.add(box)
            taken.add(guess)
    return len(boxes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path, help="folder of BadgerDoc JSON")
    parser.add_argument("predicted", type=Path, help="folder of BadgerDoc JSON with the same names")
    options = parser.parse_args()
    print(compare_documents(sorted(options.truth.glob("*.json")), options.predicted))


if __name__ == "__main__":
    main()
