"""A document that was prepared, as the data set is assembled from it. Pure."""

from dataclasses import dataclass

from training.annotate import CATEGORIES
from training.coco import LabelledPage
from training.manifest import InputDigest


@dataclass(frozen=True)
class PreparedPage:
    """A page's image and labels; `number` counts from 0 as `page_num` does."""

    number: int
    labelled: LabelledPage
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class PreparedDocument:
    """A document that went well. Pages are in the order of their numbers; `key` is that of its record."""

    name: str
    key: str
    digest: InputDigest
    pages: tuple[PreparedPage, ...]

    @property
    def classes(self) -> frozenset[str]:
        """Names of the classes that occur in it."""
        return frozenset(CATEGORIES[box.category] for page in self.pages for box in page.labelled.boxes)
