"""Turns the annotated tables of a page into labelled boxes in image pixels. Pure, except for callbacks that find ink.

Categories: 1 table, the table's box; 2 Cell, each body or header cell shrunk to its text (empty cells are left out,
since they would teach false positives); 3 header, at most two a table: the union of its header rows and the union of
its header columns.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from training.badgerdoc.document import Block, Cell, Page
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Word, Words, union
from training.labels.agreement import Agreement, compare
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.content import Contents, Ink, InkLookup, InkShare, cell_contents, text_of
from training.labels.frames.frame import Projection
from training.labels.remark import Remark, RemarkKind
from training.labels.texts import difference, shown

MAX_ON_PAGE = 20_000  # limit for cells and for words: a page has hundreds, and each cell searches for its words
MIN_SIDE_PX = 0.01  # a thinner box counts as empty: a stray click, a word in a hidden font


class PageLabels(NamedTuple):
    """A page's labels, for each table in turn: the table, its cells, its headers; and what its cells' texts tell.

    `texts` are the texts that annotators wrote, with their cells' boxes in image pixels. `inked` are the boxes of cells
    that hold ink, but no word of their own.
    """

    boxes: list[LabelledBox]
    remarks: tuple[Remark, ...] = ()
    texts: tuple[tuple[str, Box], ...] = ()
    agreement: Agreement = Agreement()
    inked: tuple[Box, ...] = ()


class _ReadCell(NamedTuple):
    box: Box
    text: str
    content: Box | None
    has_words: bool
    found: str  # the text of its words
    is_by_words: bool


def label_page(
    page: Page,
    to_image: Projection,
    words: Sequence[Word],
    ink: InkLookup,
    *,
    strong_ink: InkLookup | None = None,
    ink_share: InkShare = lambda *_: None,
) -> PageLabels:
    """The labels of a page, and what is odd about its cells.

    `to_image` brings the page's boxes to its image. `words` are those of the text layer. `ink` finds the ink in a box;
    `strong_ink` (or else `ink`) and `ink_share` are as in `Ink`. All boxes are in image pixels. Raises
    DocumentError (coordinates, empty_table, too_large) that names the page and the block.
    """
    if not page.tables:
        return PageLabels([])
    cells = sum(len(table.all_cells) for table in page.tables)
    if max(cells, len(words)) > MAX_ON_PAGE:
        raise DocumentError(
            Reason.TOO_LARGE,
            f"Page {page.page_num} has {cells:,} cells and {len(words):,} words, more than {MAX_ON_PAGE:,}; split it.",
        )
    image = Box(0, 0, to_image.width, to_image.height)
    clipped = (Word(word.box.intersection(image), word.text) for word in words)
    visible = Words(word for word in clipped if not _is_sliver(word.box))
    contents_of = partial(cell_contents, words=visible, ink=Ink(ink, strong_ink or ink, ink_share))
    labels: list[LabelledBox] = []
    read: list[_ReadCell] = []
    remarks: list[Remark] = []
    for index, block in enumerate(page.blocks):
        if block.is_table:
            where = f"page {page.page_num}, block {index}"
            found, read_cells = _label_table(block, where, to_image, contents_of)
            labels += found
            read += read_cells
            if len(read_cells) > 1 and all(cell.content is None and not cell.text.strip() for cell in read_cells):
                remarks.append(_without_content(found[0], len(read_cells)))
    # Repeated labels come from a table that was annotated twice.
    with_text = [cell for cell in dict.fromkeys(read) if cell.text.strip()]
    texts = tuple((cell.text, cell.box) for cell in with_text)
    agreed = replace(
        compare((cell.text, cell.found) for cell in with_text),
        texts=len(texts),
        silent=sum(cell.content is not None and not visible.touching(cell.box) for cell in with_text),
        empty=sum(cell.content is None for cell in with_text),
    )
    inked = tuple(cell.box for cell in read if cell.content is not None and not cell.has_words)
    remarks += _remarks(with_text)
    return PageLabels(list(dict.fromkeys(labels)), tuple(dict.fromkeys(remarks)), texts, agreed, inked)


def _without_content(table: LabelledBox, cells: int) -> Remark:
    """Of a table whose cells nothing is known of: its text may not have been drawn, as with a font without glyphs."""
    place = f"({table.box.left:.0f}, {table.box.top:.0f})"
    message = f"None of the {cells} cells of the table at {place} holds a word or ink, so none has a label."
    return Remark(RemarkKind.TABLE_WITHOUT_CONTENT, message, table.box)


def _remarks(with_text: Iterable[_ReadCell]) -> Iterator[Remark]:
    for cell in with_text:
        place = f"({cell.box.left:.0f}, {cell.box.top:.0f})"
        if cell.content is None:
            message = f"The cell at {place} has the text {shown(cell.text)}, but neither word nor ink, so no label."
            yield Remark(RemarkKind.TEXT_WITHOUT_LABEL, message, cell.box)
        elif cell.is_by_words and (found := difference(cell.text, cell.found)):
            yield Remark(RemarkKind.TEXT_DIFFERS, f"The cell at {place} holds {found}.", cell.box)


def _label_table(
    block: Block, where: str, to_image: Projection, contents_of: Callable[[Sequence[tuple[str, Box]]], Contents]
) -> tuple[list[LabelledBox], list[_ReadCell]]:
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
    ordered = sorted(header + body, key=lambda item: (item[0].row, item[0].column))
    contents = contents_of([(cell.text or "", box) for cell, box in ordered])
    headers = [box for box in header_boxes(block, header) if not _is_sliver(box)]
    labels = [
        LabelledBox.around(TABLE, table),
        *(LabelledBox.around(CELL, content) for content in contents.boxes if content is not None),
        *(LabelledBox.around(HEADER, box) for box in headers),
    ]
    read = [
        _ReadCell(box, cell.text or "", content, bool(words), text_of(words), contents.are_by_words)
        for (cell, box), content, words in zip(ordered, contents.boxes, contents.words, strict=True)
    ]
    return labels, read


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
