"""Splits documents into train, val and test: by document, so that no test page has a sibling in training. Pure.

A document's split depends only on the seed and its name, so documents that are added later do not move the others. Only
if a split would be empty, or lack a category that the corpus has, are documents moved, as few as possible.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from training.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitWeights:
    """The shares of the splits, in any unit: 80, 10, 10 is the same as 8, 1, 1."""

    train: int = 80
    val: int = 10
    test: int = 10

    @classmethod
    def parse(cls, text: str) -> "SplitWeights":
        """Parses `80,10,10`. Raises ConfigError for anything but three integers of at least 1."""
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


# Counts as a category that every document has, so that an empty split lacks a category as well.
_A_DOCUMENT = "a document"
# Documents counted by split and set of categories: what a split lacks does not depend on which documents they are.
_Kind = frozenset[str]
_Counts = Counter[tuple[str, _Kind]]


@dataclass(frozen=True)
class Move:
    """A document that was moved from its own split, since `target` would otherwise be empty or lack a category."""

    document: str
    source: str
    target: str


@dataclass(frozen=True)
class Assignment:
    """The split of every document by name, and the moves that were needed."""

    splits: Mapping[str, str]
    moves: tuple[Move, ...]


def unit_hash(seed: int, document: str) -> float:
    """Hashes a document's name to [0, 1): uniform over names, fixed for a seed and a name."""
    digest = hashlib.sha256(f"{seed}\0{document}".encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def assign_splits(classes: Mapping[str, frozenset[str]], weights: SplitWeights, seed: int) -> Assignment:
    """Assigns every document to a split, so that each split has a document of every category that occurs.

    Args:
        classes: names of the categories in each document, by its name; empty sets if they are not known yet.

    Raises:
        DataError: there is no such assignment; the message describes the smallest corpus that works.
    """
    held = {document: found | {_A_DOCUMENT} for document, found in sorted(classes.items())}
    _check_enough(held)
    places = {document: unit_hash(seed, document) for document in held}
    intervals = weights.intervals()
    splits = {
        document: next((name for name in SPLITS if place < intervals[name][1]), SPLITS[-1])
        for document, place in places.items()
    }
    moves = []
    for source, kind, target in _fewest_moves(Counter((splits[document], held[document]) for document in held)):
        low, high = intervals[target]
        document = min(
            (name for name in held if (splits[name], held[name]) == (source, kind)),
            key=lambda name: (max(low - places[name], places[name] - high, 0.0), name),
        )
        splits[document] = target
        moves.append(Move(document, source, target))
    return Assignment(splits, tuple(moves))


def _check_enough(held: Mapping[str, _Kind]) -> None:
    if len(held) < len(SPLITS):
        raise DataError(
            f"{len(held)} usable documents cannot fill train, val and test; "
            f"the smallest corpus that works has {len(SPLITS)} documents."
        )
    documents = Counter(name for kind in held.values() for name in kind)
    for name, count in sorted(documents.items()):
        if count < len(SPLITS):
            raise DataError(
                f"{name} occurs in {count} of {len(held)} documents, and train, val and test need one each; "
                f"the smallest corpus that works has {len(SPLITS)} documents with {name}."
            )


def _fewest_moves(counts: _Counts) -> tuple[tuple[str, _Kind, str], ...]:
    """The shortest sequence of moves (source, kind of document, target) after which no split lacks anything.

    A breadth-first search: each move ends the first lack, since one of the moves has to.
    """
    wanted = sorted({name for _, kind in counts for name in kind})
    paths: dict[frozenset[tuple[tuple[str, _Kind], int]], tuple[tuple[str, _Kind, str], ...]] = {
        frozenset(counts.items()): ()
    }
    frontier = list(paths)
    while frontier:
        reached = []
        for state in frontier:
            now = Counter(dict(state))
            lack = _first_lack(now, wanted)
            if lack is None:
                return paths[state]
            for source, kind in _candidates(now, *lack):
                after = now.copy()
                after[source, kind] -= 1
                after[lack[0], kind] += 1
                key = frozenset((+after).items())
                if key not in paths:
                    paths[key] = (*paths[state], (source, kind, lack[0]))
                    reached.append(key)
        frontier = reached
    names = ", ".join(name for name in wanted if name != _A_DOCUMENT)
    raise DataError(
        f"The documents cannot be shared out so that train, val and test each hold {names}; "
        f"the smallest corpus that works has {len(SPLITS)} documents with all of them."
    )


def _first_lack(counts: _Counts, wanted: list[str]) -> tuple[str, str] | None:
    """The first split that lacks a category, and the category."""
    for split in SPLITS:
        present = {name for (place, kind), count in counts.items() if place == split and count for name in kind}
        for name in wanted:
            if name not in present:
                return split, name
    return None


def _candidates(counts: _Counts, target: str, lacked: str) -> Iterator[tuple[str, _Kind]]:
    """Documents that `target` could get: those of the fullest split first, then those with most categories."""
    sizes = Counter[str]()
    for (split, _), count in counts.items():
        sizes[split] += count
    found = [key for key, count in counts.items() if count and key[0] != target and lacked in key[1]]
    return iter(sorted(found, key=lambda key: (-sizes[key[0]], SPLITS.index(key[0]), -len(key[1]), sorted(key[1]))))
