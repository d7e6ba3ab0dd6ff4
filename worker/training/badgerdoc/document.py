"""The BadgerDoc JSON format of one document's annotations: written by the table extractor, corrected by annotators.

    Document = {"doc_name", "pages": [Page]}
    Page     = {"page_num": 0-based, "bbox": Box, "frame": "media" | "crop", "blocks": [Block]}
    Box      = {"left", "top", "height", "width"}     pixels of the page as it was rendered then, origin top-left
    Block    = {"type": "table", "bbox", "header": [Cell], "cells": [Cell]}   header cells are not repeated in cells
             | {"type": "text_block", "bbox", "text"}
    Cell     = {"row", "column", "rowspan", "colspan", "bbox", "text"}        0-based

Real files lack some of these fields. A missing field gets a default if that loses nothing; if it would change the
meaning, it is an error that names the field. `writer.py` writes these types as JSON.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from training.badgerdoc.schema_parts import either_name
from training.documents.quarantine import DocumentError, Reason
from training.documents.sizes.page_geometry import PageBox
from training.geometry import Box

MAX_ERRORS_SHOWN = 3


def _list_or_empty(value: Any) -> Any:
    return [] if value is None else value


# The docstrings below fields are their descriptions in the JSON Schema.
LENIENT = ConfigDict(extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True)
_COLUMN = ("column", "col")


def _text_or_none(value: Any) -> Any:
    return value if isinstance(value, str) else None


# A cell's text is there for comparison alone, so what is no text is none.
Text = Annotated[str | None, BeforeValidator(_text_or_none, json_schema_input_type=Any)]


def _frame_or_none(value: Any) -> Any:
    return value if value in list(PageBox) else None


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, **LENIENT)


# Slots save memory: a document of a thousand pages has a hundred thousand boxes and cells.
@dataclass(frozen=True, slots=True, config=LENIENT)
class PixelBox:
    """A rectangle in pixels of the page as the annotators saw it, counted from its top left corner."""

    left: float
    top: float
    height: float = Field(ge=0)
    width: float = Field(ge=0)

    @classmethod
    def of(cls, box: Box) -> Self:
        return cls(left=box.left, top=box.top, height=box.height, width=box.width)

    @property
    def box(self) -> Box:
        return Box(self.left, self.top, self.left + self.width, self.top + self.height)


@dataclass(frozen=True, slots=True, config=ConfigDict(**LENIENT, json_schema_extra=either_name(*_COLUMN)))
class Cell:
    """One cell; `row` and `column` count from 0 and name its first row and column."""

    bbox: PixelBox
    row: int = Field(ge=0)
    column: int = Field(ge=0, validation_alias=AliasChoices(*_COLUMN))
    rowspan: int = Field(default=1, ge=1)
    colspan: int = Field(default=1, ge=1)
    text: Text = None
    """Compared with the words found in the cell. Empty where nobody wrote it down; what is no text is ignored."""

    @property
    def last_column(self) -> int:
        return self.column + self.colspan - 1


Cells = Annotated[tuple[Cell, ...], BeforeValidator(_list_or_empty, json_schema_input_type=tuple[Cell, ...] | None)]


class Block(_Model):
    """A block of any type on a page. Only tables have cells."""

    type: str | None = None
    """`table` is a table, and so is a block without a type that has cells. All others are ignored."""
    bbox: PixelBox | None = None
    """Of a table: without it, the smallest box around the cells."""
    header: Cells = ()
    """The cells of the header rows and header columns. They are not repeated in `cells`."""
    cells: Cells = ()
    """The other cells."""

    @property
    def is_table(self) -> bool:
        """Whether it is a table; a block without a type is one if it has cells, since no other block has."""
        if self.type is None:
            return bool(self.header or self.cells)
        return self.type.strip().lower() == "table"

    @property
    def all_cells(self) -> tuple[Cell, ...]:
        return self.header + self.cells


class Page(_Model):
    """An annotated page; without tables it is a negative example."""

    page_num: int = Field(ge=0)
    """Counts from 0."""
    bbox: PixelBox | None = None
    """The whole page, from (0, 0): it tells the resolution of all boxes. It may be missing if an option states that."""
    frame: Annotated[PageBox | None, BeforeValidator(_frame_or_none, json_schema_input_type=Any)] = None
    """The box of the PDF's page that its boxes count from, `media` or `crop`, with the page turned as it is drawn.
    Inference writes it; it may be missing.
    """
    blocks: Annotated[
        tuple[Block, ...], BeforeValidator(_list_or_empty, json_schema_input_type=tuple[Block, ...] | None)
    ] = ()

    @property
    def tables(self) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.is_table)

    @property
    def boxes(self) -> list[PixelBox]:
        """The boxes of the tables and of their cells."""
        tables = [table.bbox for table in self.tables if table.bbox is not None]
        return tables + [cell.bbox for table in self.tables for cell in table.all_cells]


def check_unique(numbers: Sequence[int]) -> None:
    """Raises DocumentError (schema) if `numbers`, the page_num of the JSON's pages, are empty or repeat."""
    if not numbers:
        raise DocumentError(Reason.SCHEMA, "The JSON has no pages; export the document again.")
    twice = [number for number, count in Counter(numbers).items() if count > 1]
    if twice:
        raise DocumentError(Reason.SCHEMA, f"The JSON holds page_num {min(twice)} more than once; merge these pages.")


def check_page_numbers(numbers: Sequence[int], page_count: int) -> None:
    """Raises DocumentError (page_missing) if a page_num of the JSON is beyond the `page_count` pages of the PDF."""
    if max(numbers) < page_count:
        return
    if min(numbers) >= 1 and max(numbers) == page_count:
        raise DocumentError(
            Reason.PAGE_MISSING,
            f"The JSON counts pages from 1 to {page_count}, but page_num counts from 0; subtract 1.",
        )
    raise DocumentError(
        Reason.PAGE_MISSING,
        f"The JSON has page_num {max(numbers)}, but the PDF has {page_count} pages; are they a pair?",
    )


def faults(error: ValidationError, where: str) -> list[str]:
    """All errors as `pages.0.blocks.2.cells.7.bbox.left: Field required`; `where` is the start of the path."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join([where, *(str(part) for part in fault['loc'])])}: {fault['msg']}" for fault in found]


def explain(error: ValidationError, where: str) -> str:
    """The first errors in the form of `faults`, and how many more there are."""
    found = faults(error, where)
    more = f" and {len(found) - MAX_ERRORS_SHOWN} more" if len(found) > MAX_ERRORS_SHOWN else ""
    return "; ".join(found[:MAX_ERRORS_SHOWN]) + more
