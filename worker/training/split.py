"""Documents -> train, val and test. By document, never by page, so that no test page has a sibling in training. Pure.

Each document's place depends only on the seed and its own name: documents that are added later move none of the others,
except where a split would be empty.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from training.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitWeights:
    """How documents are shared out, in any unit: 80, 10, 10 is the same as 8, 1, 1."""

    train: int = 80
    val: int = 10
    test: int = 10

    @classmethod
    def parse(cls, text: str) -> "SplitWeights":
        """`80,10,10`. Raises ConfigError for anything but three whole numbers of at least 1."""
        try:
            parts = [int(part) for part in text.split(",")]
        except ValueError:
            parts = []
        if len(parts) != len(SPLITS) or min(parts) < 1:
            raise ConfigError(f"--split is {text!r}; write three numbers of at least 1 for train,val,test: 80,10,10.")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.train},{self.val},{self.test}"

    def intervals(self) -> dict[str, tuple[float, float]]:
        """The part of [0, 1) that belongs to each split."""
        total = self.train + self.val + self.test
        first, second = self.train / total, (self.train + self.val) / total
        return {"train": (0.0, first), "val": (first, second), "test": (second, 1.0)}


@dataclass(frozen=True)
class Move:
    """A document that was taken from its own split, since another would have been empty."""

    document: str
    source: str
    target: str


@dataclass(frozen=True)
class Assignment:
    """The split of every document, and the moves that this took."""

    splits: Mapping[str, str]
    moves: tuple[Move, ...]


def position(seed: int, document: str) -> float:
    """Where a document lies in [0, 1): uniform over names, fixed for a seed and a name."""
    digest = hashlib.sha256(f"{seed}\0{document}".encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def assign_splits(documents: Iterable[str], weights: SplitWeights, seed: int) -> Assignment:
    """Puts every document in a split; none is empty.

    An empty split takes one document of the fullest, the one whose position is nearest to its interval. Raises
    DataError below three documents.
    """
    positions = {document: position(seed, document) for document in documents}
    if len(positions) < len(SPLITS):
        raise DataError(
            f"{len(positions)} usable documents cannot fill train, val and test; "
            f"the smallest corpus that works has {len(SPLITS)} documents."
        )
    intervals = weights.intervals()
    splits = {
        document: next((name for name in SPLITS if place < intervals[name][1]), SPLITS[-1])
        for document, place in sorted(positions.items())
    }
    moves = []
    for target in SPLITS:
        if target in splits.values():
            continue
        members = {name: [document for document in splits if splits[document] == name] for name in SPLITS}
        source = max(SPLITS, key=lambda name: len(members[name]))
        low, high = intervals[target]
        document = min(
            members[source], key=lambda name: (max(low - positions[name], positions[name] - high, 0.0), name)
        )
        splits[document] = target
        moves.append(Move(document, source, target))
    return Assignment(splits, tuple(moves))
