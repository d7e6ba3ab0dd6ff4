"""The parameters that decide a dataset, besides its input. Pure, except that poppler is asked for its version."""

import argparse
from dataclasses import dataclass, field
from typing import Any

from training.dataset.split import SplitWeights
from training.documents.poppler import renderer_id
from training.preprocess.chunk import PageOptions


@dataclass(frozen=True)
class Allowance:
    """How many of a total may fail: a count, or a percentage of the total."""

    count: int | None = None
    percent: float | None = None

    def limit(self, total: int) -> int:
        """How many of `total` may fail."""
        if self.count is not None:
            return self.count
        return int(total * (self.percent or 0.0) / 100)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.percent:g}%"


def allowance(text: str) -> Allowance:
    """Parses `3` or `10%`. Raises ArgumentTypeError for anything else."""
    word = text.strip()
    try:
        if word.endswith("%"):
            percent = float(word[:-1])
            if 0 <= percent <= 100:
                return Allowance(percent=percent)
        elif int(word) >= 0:
            return Allowance(count=int(word))
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number such as 3 nor a percentage such as 10%")


OUTPUT_VERSION = 5  # raise it when the same input gives other files, so that no older record or dataset is reused


@dataclass(frozen=True)
class Parameters:
    """All parameters that decide the dataset, besides the input."""

    pages: PageOptions = field(default_factory=PageOptions)
    weights: SplitWeights = field(default_factory=SplitWeights)
    seed: int = 0
    max_failed: Allowance = field(default_factory=lambda: Allowance(percent=10))

    def of_pages(self) -> dict[str, Any]:
        """The parameters that decide a document's pages, under their names in the manifest."""
        return {
            "outputVersion": OUTPUT_VERSION,
            "format": self.pages.annotation_format,
            "coordinates": str(self.pages.coordinates),
            "frame": self.pages.frame or "auto",
            "renderer": renderer_id(),
            "images": self.pages.render.image_format,
            "dpi": self.pages.render.dpi,
        }

    def in_manifest(self) -> dict[str, Any]:
        """The parameters as the manifest names them, without `max_failed`, which does not change the dataset."""
        return {**self.of_pages(), "split": str(self.weights), "seed": self.seed}
