"""A page image with its annotations, in whichever format they came. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from training.badgerdoc.document import Block

Size = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class ImportedPage:
    """`image` is the image's name as the source writes it, perhaps with folders; `size` is None if it does not say.

    `blocks` makes the page's tables for an image of the given size. It raises DocumentError for what cannot be written
    in the BadgerDoc format.
    """

    image: str
    size: Size | None
    blocks: Callable[[Size], tuple[Block, ...]]
