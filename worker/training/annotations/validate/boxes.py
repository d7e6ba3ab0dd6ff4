"""Finds the boxes of a page that preprocess could not place on its image. Pure.

Nothing is drawn: every cell is taken to have content, so that only what the JSON itself says can be wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from training.annotations.validate.findings import Fault
from training.badgerdoc.document import Block, Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box
from training.labels.labelling import label_page
from training.labels.scale import AUTO, Coordinates, Projection, page_scale

_NO_TABLE = Block(type="")


@dataclass(frozen=True)
class PageImage:
    """The image that preprocess would draw of a page: its size in pixels, its resolution, the unit of the boxes."""

    width: int
    height: int
    dpi: int
    coordinates: Coordinates = AUTO


def page_faults(page: Page, image: PageImage, where: str) -> list[Fault]:
    """All faults of a page; `where` is its path in the JSON, such as `pages.3`."""
    try:
        _label(page, image)
    except DocumentError as error:
        return list(_each(page, image, where)) or [Fault.of(error)]
    return []


def _label(page: Page, image: PageImage) -> None:
    label_page(page, image.width, image.height, (), _whole, dpi=image.dpi, coordinates=image.coordinates)


def _whole(cell: Box) -> Box:
    return cell


def _each(page: Page, image: PageImage, where: str) -> Iterator[Fault]:
    """What is wrong with each box, then with each table whose boxes are right."""
    try:
        scale = page_scale(page, image.width, image.height, dpi=image.dpi, coordinates=image.coordinates)
    except DocumentError as error:
        yield Fault.of(error)
        return
    to_image = Projection(scale, image.width, image.height)
    for index, block in enumerate(page.blocks):
        if not block.is_table:
            continue
        found = []
        for path, box in _boxes(block, f"{where}.blocks.{index}"):
            try:
                to_image(box, path)
            except DocumentError as error:
                found.append(Fault.of(error))
        if not found:
            found = _table_alone(page, index, image)
        yield from found


def _boxes(block: Block, where: str) -> Iterator[tuple[str, PixelBox]]:
    if block.bbox is not None:
        yield where, block.bbox
    for part, cells in (("header", block.header), ("cells", block.cells)):
        for number, cell in enumerate(cells):
            yield f"{where}.{part}.{number}", cell.bbox


def _table_alone(page: Page, index: int, image: PageImage) -> list[Fault]:
    """The fault of one table. Faults of the page as a whole do not count, since each table would repeat them."""
    blocks = tuple(block if number == index else _NO_TABLE for number, block in enumerate(page.blocks))
    try:
        _label(page.model_copy(update={"blocks": blocks}), image)
    except DocumentError as error:
        if error.quarantine_reason is Reason.EMPTY_TABLE:
            return [Fault.of(error)]
    return []
