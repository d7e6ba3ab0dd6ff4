"""The boxes of a page that preprocess could not place."""

from training.annotations.validate.boxes import page_faults
from training.badgerdoc.document import Block, Cell, Page, PixelBox
from training.documents.quarantine import Reason
from training.labels.frames.frame import Placement, Projection
from training.labels.labelling import MAX_ON_PAGE

TO_IMAGE = Projection(Placement(1, 1, 992, 1403), 992, 1403)


def box(left: float, top: float) -> PixelBox:
    return PixelBox(left=left, top=top, width=50, height=20)


def cell(left: float, top: float, *, row: int = 0, column: int = 0) -> Cell:
    return Cell(bbox=box(left, top), row=row, column=column)


def table(*cells: Cell, header: tuple[Cell, ...] = (), bbox: PixelBox | None = None) -> Block:
    return Block(type="table", cells=cells, header=header, bbox=bbox)


def faults(*blocks: Block) -> list[tuple[Reason, str]]:
    found = page_faults(Page(page_num=3, blocks=blocks), TO_IMAGE, "pages.0")
    return [(fault.reason, fault.message) for fault in found]


def test_a_page_without_faults_has_none() -> None:
    assert faults(table(cell(10, 10), bbox=box(10, 10)), Block(type="text_block")) == []


def test_every_box_outside_the_page_is_named_with_its_path() -> None:
    outside = table(cell(10, 10), cell(2000, 10), header=(cell(10, -400),), bbox=box(990, 5000))
    found = faults(Block(type="text_block"), outside, table(cell(10, 3000)))
    assert [reason for reason, _ in found] == [Reason.COORDINATES] * 4
    paths = ["blocks.1 ", "blocks.1.header.0 ", "blocks.1.cells.1 ", "blocks.2.cells.0 "]
    assert all(f"pages.0.{path}" in message for path, (_, message) in zip(paths, found, strict=True))


def test_every_empty_table_is_named_beside_boxes_outside_the_page() -> None:
    found = faults(table(), table(cell(2000, 10)), table(), table(cell(10, 10)))
    assert [reason for reason, _ in found] == [Reason.EMPTY_TABLE, Reason.COORDINATES, Reason.EMPTY_TABLE]
    assert "block 0" in found[0][1]
    assert "block 2" in found[2][1]


def test_too_many_cells_are_one_fault_of_the_page() -> None:
    many = tuple(cell(10, 10) for _ in range(MAX_ON_PAGE // 2 + 1))
    assert [reason for reason, _ in faults(table(*many), table(*many))] == [Reason.TOO_LARGE]


def test_too_many_cells_hide_no_other_fault_of_the_page() -> None:
    many = tuple(cell(10, 10) for _ in range(MAX_ON_PAGE))
    found = faults(table(*many), table(), table(cell(2000, 10)))
    assert [reason for reason, _ in found] == [Reason.TOO_LARGE, Reason.EMPTY_TABLE, Reason.COORDINATES]
