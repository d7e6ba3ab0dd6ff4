"""Finds the boxes of a page that preprocess could not place on its image. Pure.

Nothing is drawn: every cell is taken to have content, so that only what the JSON itself says can be wrong.
"""

from collections.abc import Iterator

from training.annotations.validate.findings import Fault
from training.badgerdoc.document import Block, Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box
from training.labels.frames.frame import Projection
from training.labels.labelling import label_page

_NO_TABLE = Block(type="")


def page_faults(page: Page, to_image: Projection, where: str) -> list[Fault]:
    """All faults of a page; `where` is its path in the JSON, such as `pages.3`."""
    try:
        label_page(page, to_image, (), _whole)
    except DocumentError as error:
        of_page = [Fault.of(error)] if error.quarantine_reason is Reason.TOO_LARGE else []
        return [*of_page, *_each(page, to_image, where)] or [Fault.of(error)]
    return []


def _whole(cell: Box) -> Box:
    return cell


def _each(page: Page, to_image: Projection, where: str) -> Iterator[Fault]:
    """What is wrong with each box, then with each table whose boxes are right."""
    for index, block in enumerate(page.blocks):
        if not block.is_table:
            continue
        found = []
        for path, box in _boxes(block, f"{where}.blocks.{index}"):
            try:
                to_image(box, path)
            except DocumentError as error:
                found.append(Fault.of(error))
        yield from found or _table_alone(page, index, to_image)


def _boxes(block: Block, where: str) -> Iterator[tuple[str, PixelBox]]:
    if block.bbox is not None:
        yield where, block.bbox
    for part, cells in (("header", block.header), ("cells", block.cells)):
        for number, cell in enumerate(cells):
            yield f"{where}.{part}.{number}", cell.bbox


def _table_alone(page: Page, index: int, to_image: Projection) -> list[Fault]:
    """The fault of one table. Faults of the page as a whole do not count, since each table would repeat them."""
    blocks = tuple(block if number == index else _NO_TABLE for number, block in enumerate(page.blocks))
    try:
        label_page(page.model_copy(update={"blocks": blocks}), to_image, (), _whole)
    except DocumentError as error:
        if error.quarantine_reason is Reason.EMPTY_TABLE:
            return [Fault.of(error)]
    return []
