"""Tables from labelled boxes: the labels of a dataset, or of a tool, as tables of the BadgerDoc format. Pure.

Labels name neither rows nor columns; these are found from where the cells lie. A header is drawn as one box, while the
BadgerDoc format names its cells.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from training.annotations.importers.formats.header_cells import write_header
from training.annotations.importers.formats.imported_page import ImportedPage, Size
from training.annotations.importers.formats.labels import LabelNames
from training.annotations.tools.tool_page import ToolPage
from training.badgerdoc.document import Block, PixelBox
from training.dataset.twins import Shape, twins
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box
from training.labels.categories import CATEGORIES, CELL, HEADER, TABLE
from training.tables.structure import MOSTLY, GridCell, find_structure, share

EDGE_TOLERANCE_PX = 2.0  # a box that reaches over its page's edge by no more than this is cut there
WHOLLY = 0.95  # fraction of a cell that lies in its header
HEADER_SLACK = 0.2  # of a cell's height: how far it may stick out of a header that is drawn tight around the letters
Labelled = tuple[int, Box]  # a category and its box in pixels


def imported_page(page: ToolPage, names: LabelNames) -> ImportedPage:
    """The page of a tool or of a COCO file; `names` must know all its labels."""

    def blocks(size: Size) -> tuple[Block, ...]:
        labelled = [(names.category(box.label), box) for box in page.boxes]
        shapes = [Shape(None, category, box.box, box.is_polygon) for category, box in labelled if category is not None]
        if found := twins(shapes):
            one = found[0][0]
            raise _fault(
                f"{len(found)} labels are there twice, such as the {CATEGORIES[one.category]} at {_place(one.box)}; "
                "remove one of each two"
            )
        return tables([(shape.category, shape.box) for shape in shapes], size)

    return ImportedPage(page.name, page.size, blocks)


def tables(labels: Sequence[Labelled], size: Size) -> tuple[Block, ...]:
    """The tables of a page of `size`, from the top down, with their cells and headers. Repeated labels count once.

    Raises DocumentError (schema) for a cell or a header that is in no table, a header without cells, and
    (coordinates) for a box outside the page.
    """
    page = Box(0, 0, *size)
    found: dict[int, list[Box]] = defaultdict(list)
    for category, box in dict.fromkeys((category, _cut(category, box, page)) for category, box in labels):
        found[category].append(box)
    boxes = sorted(found[TABLE], key=lambda box: (box.top, box.left, box))
    cells, headers = _by_table(found[CELL], boxes, CELL), _by_table(found[HEADER], boxes, HEADER)
    return tuple(_block(*parts) for parts in zip(boxes, cells, headers, strict=True))


def _by_table(parts: Sequence[Box], boxes: Sequence[Box], category: int) -> list[list[Box]]:
    """The parts of each table: each belongs to the table that holds most of it, the smallest of several."""
    of_table: list[list[Box]] = [[] for _ in boxes]
    for part in parts:
        holds, _, index = max(
            ((share(part, box), -box.area, index) for index, box in enumerate(boxes)), default=(0.0, 0.0, 0)
        )
        if holds <= MOSTLY:
            raise _fault(f"the {CATEGORIES[category]} at {_place(part)} lies in no table; draw the table, or delete it")
        of_table[index].append(part)
    return of_table


def _block(box: Box, cells: Sequence[Box], headers: Sequence[Box]) -> Block:
    places = _places(cells, headers)
    header: dict[GridCell, GridCell] = {}
    kinds: Counter[bool] = Counter()
    for one, its_cells in _by_header(places, headers).items():
        if not its_cells:
            raise _fault(f"the header at {_place(one)} has no cells; draw them, or delete it")
        written = write_header(one, its_cells, places)
        header.update(written.cells)
        kinds[written.is_rows] += 1
    if max(kinds.values(), default=0) > 1:
        raise _fault(
            f"the table at {_place(box)} has {len(headers)} headers, but a table can have one above its rows and one "
            "beside them; draw each as one box"
        )
    return Block(
        type="table",
        bbox=PixelBox.of(box),
        header=tuple(place.annotation() for place in sorted(header.values())),
        cells=tuple(place.annotation() for place in places if place not in header),
    )


def _places(cells: Sequence[Box], headers: Sequence[Box]) -> list[GridCell]:
    """The cells' places: headings over several columns cover them, but none is made higher than its text.

    A heading that was extended over the empty place below it would leave that row without its last cell, and preprocess
    would not take the row for one of the header.
    """
    rows = {place.box: (place.row, place.rowspan) for place in find_structure(cells)}
    wide = find_structure(cells, headers)
    return sorted(place._replace(row=rows[place.box][0], rowspan=rows[place.box][1]) for place in wide)


def _by_header(places: Sequence[GridCell], headers: Sequence[Box]) -> dict[Box, list[GridCell]]:
    """The cells of each header. Of headers in one another, as over several rows, the smallest has the cell."""
    found: dict[Box, list[GridCell]] = {}
    left = list(places)
    for header in sorted(headers, key=lambda header: (header.area, header)):
        # A cell that reaches out is one across the whole table, and would make the header larger.
        wholly = [place for place in left if _is_wholly_in(place.box, header)]
        found[header] = wholly or [place for place in left if share(place.box, header) > MOSTLY]
        left = [place for place in left if place not in found[header]]
    return found


def _is_wholly_in(cell: Box, header: Box) -> bool:
    return share(cell, header.grown(HEADER_SLACK * cell.height)) > WHOLLY


def _cut(category: int, box: Box, page: Box) -> Box:
    inside = box.intersection(page)
    if box.is_empty or max(abs(edge - other) for edge, other in zip(box, inside, strict=True)) > EDGE_TOLERANCE_PX:
        raise DocumentError(
            Reason.COORDINATES,
            f"The {CATEGORIES[category]} at {_place(box)} has no area or lies outside its image of "
            f"{page.right:g} x {page.bottom:g} pixels; correct it, or delete it.",
        )
    return inside


def _place(box: Box) -> str:
    return f"({box.left:g}, {box.top:g})"


def _fault(what: str) -> DocumentError:
    return DocumentError(Reason.SCHEMA, f"{what[0].upper()}{what[1:]}.")
