"""Turns the annotated tables of a page into labelled boxes in image pixels. Pure, except for a callback that finds ink.

Categories: 1 table, the table's box; 2 Cell, each body or header cell shrunk to its text (empty cells are left out,
since they would teach false positives); 3 header, at most two a table: the union of its header rows and the union of
its header columns.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from training.badgerdoc.document import Block, Cell, Page
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Word, Words, union
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.frames import Projection

WORD_IN_CELL = 0.95  # a word belongs to a cell that holds more than this fraction of the word's area
WORD_SLACK = 0.2  # of the word's height: how far it may stick out of a cell that is drawn tight around its letters
MAX_ON_PAGE = 20_000  # limit for cells and for words: a page has hundreds, and each cell searches for its words
MIN_SIDE_PX = 0.01  # a thinner box counts as empty: a stray click, a word in a hidden font
InkLookup = Callable[[Box], Box | None]


def label_page(page: Page, to_image: Projection, words: Sequence[Word], ink: InkLookup) -> list[LabelledBox]:
    """All labels of a page, for each table in turn: the table, its cells, its headers.

    `to_image` brings the page's boxes to its image. `words` are those of the text layer and `ink` finds the ink in a
    box, all boxes in image pixels. Raises DocumentError (coordinates, empty_table, too_large) that names the page and
    the block.
    """
    if not page.tables:
        return []
    cells = sum(len(table.all_cells) for table in page.tables)
    if max(cells, len(words)) > MAX_ON_PAGE:
        raise DocumentError(
            Reason.TOO_LARGE,
            f"Page {page.page_num} has {cells:,} cells and {len(words):,} words, more than {MAX_ON_PAGE:,}; split it.",
        )
    image = Box(0, 0, to_image.width, to_image.height)
    clipped = (Word(word.box.intersection(image), word.text) for word in words)
    visible = Words(word for word in clipped if not _is_sliver(word.box))
    labels: list[LabelledBox] = []
    for index, block in enumerate(page.blocks):
        if block.is_table:
            labels += _label_table(block, f"page {page.page_num}, block {index}", to_image, visible, ink)
    # Repeated labels come from a table that was annotated twice.
    return list(dict.fromkeys(labels))


def _label_table(block: Block, where: str, to_image: Projection, words: Words, ink: InkLookup) -> Iterator[LabelledBox]:
    header = [(cell, to_image(cell.bbox, f"{where}, header {index}")) for index, cell in enumerate(block.header)]
    body = [(cell, to_image(cell.bbox, f"{where}, cell {index}")) for index, cell in enumerate(block.cells)]
    boxes = [box for _, box in header + body if not box.is_empty]
    if block.bbox is not None:
        table = to_image(block.bbox, where)
    elif boxes:
        table = union(boxes)
    else:
        raise DocumentError(Reason.EMPTY_TABLE, f"The table at {where} has neither bbox nor cells; remove it.")
    if _is_sliver(table):
        raise DocumentError(Reason.EMPTY_TABLE, f"The table at {where} has an empty bbox; correct or remove it.")
    yield LabelledBox.around(TABLE, table)

    ordered = sorted(header + body, key=lambda item: (item[0].row, item[0].column))
    for _, box in ordered:
        content = cell_content(box, words, ink)
        if content is not None:
            yield LabelledBox.around(CELL, content)
    for box in header_boxes(block, header):
        if not _is_sliver(box):
            yield LabelledBox.around(HEADER, box)


def cell_content(cell: Box, words: Words, ink: InkLookup) -> Box | None:
    """The box around a cell's words, or around its ink if no word touches it, or None for an empty cell."""
    if cell.is_empty:
        return None
    touching = words.touching(cell)
    if not touching:
        return ink(cell)
    inside = [word.box for word in touching if _belongs(word.box, cell)]
    return union(inside) if inside else None


def _belongs(word: Box, cell: Box) -> bool:
    # Annotators draw cells tight around the letters, while a word's box has the font's full height. Without slack, 60 %
    # of the cells of the ICDAR 2013 documents would count as empty; with it, each of the 3,743 has exactly its words.
    slack = WORD_SLACK * word.height
    grown = Box(cell.left - slack, cell.top - slack, cell.right + slack, cell.bottom + slack)
    return word.intersection(grown).area > WORD_IN_CELL * word.area


def header_boxes(block: Block, header: Sequence[tuple[Cell, Box]]) -> list[Box]:
    """At most two boxes: around the header rows, and around the header columns.

    Header cells are grouped by row. A group whose last cell reaches the table's last column is a header row; any other
    belongs to the header columns.
    """
    rows: dict[int, list[tuple[Cell, Box]]] = defaultdict(list)
    for cell, box in header:
        if not box.is_empty:
            rows[cell.row].append((cell, box))
    last_column = max((cell.last_column for cell in block.all_cells), default=0)
    in_rows: list[Box] = []
    in_columns: list[Box] = []
    for group in rows.values():
        reaches_end = max(cell.last_column for cell, _ in group) >= last_column
        (in_rows if reaches_end else in_columns).extend(box for _, box in group)
    return [union(boxes) for boxes in (in_rows, in_columns) if boxes]


def _is_sliver(box: Box) -> bool:
    """Whether a box is so thin that it may have no area in whole pixels: COCO forbids boxes without area."""
    return box.width < MIN_SIDE_PX or box.height < MIN_SIDE_PX
