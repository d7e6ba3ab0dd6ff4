"""Checks one document in a process of the pool: its pages, their boxes, and whether PDF and JSON fit each other.

The PDF is asked for the sizes of its pages only; nothing is drawn, and its text is not read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.annotations.validate.boxes import PageImage, page_faults
from training.annotations.validate.findings import CheckedDocument, Counts, Fault, FaultList
from training.badgerdoc.document import Page, check_page_numbers, check_unique
from training.badgerdoc.reader import AUTO, page_texts
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason, quarantine_faults
from training.documents.render import PageSize, RenderOptions, check_page_pixels, page_sizes
from training.labels.scale import AUTO as AUTO_COORDINATES
from training.labels.scale import Coordinates


@dataclass(frozen=True)
class CheckOptions:
    """What preprocess would be told of the documents: the options with the same names."""

    dpi: int = RenderOptions.dpi
    annotation_format: str = AUTO
    coordinates: Coordinates = AUTO_COORDINATES


@dataclass(frozen=True)
class CheckTask:
    """The document to check."""

    name: str
    pdf: PdfFile
    json: Path
    options: CheckOptions


def check_document(task: CheckTask) -> CheckedDocument:
    """All that is wrong with the document. Raises WorkerError (ConfigError, Transient) for a fault of this machine."""
    found = quarantine_faults(task.name, lambda: _Check(task).result())
    return CheckedDocument.quarantined(found) if isinstance(found, QuarantinedDocument) else found


class _Check:
    """The check of one document, page by page."""

    def __init__(self, task: CheckTask) -> None:
        self._task = task
        self._faults = FaultList()
        self._format = ""
        self._counts = Counts()
        self._numbers: list[int] = []

    def result(self) -> CheckedDocument:
        sizes = self._sizes()
        try:
            self._read(sizes)
        except DocumentError as error:
            self._faults.add(Fault.of(error))
        if sizes and self._numbers:
            self._collect(lambda: check_page_numbers(self._numbers, len(sizes)))
        return CheckedDocument(
            self._task.name, tuple(self._faults.first), self._faults.more, self._format, self._counts
        )

    def _sizes(self) -> list[PageSize]:
        """The sizes of the PDF's pages; an empty list if it cannot be read, which is a fault."""
        try:
            return page_sizes(self._task.pdf)
        except DocumentError as error:
            self._faults.add(Fault.of(error))
            return []

    def _read(self, sizes: list[PageSize]) -> None:
        texts = 0
        for text in page_texts(self._task.json.read_bytes(), self._task.options.annotation_format):
            texts += 1
            self._format = text.annotation_format
            try:
                page = text.read()
            except DocumentError as error:
                faults = [Fault(Reason.SCHEMA, fault) for fault in text.faults()] or [Fault.of(error)]
                for fault in faults:
                    self._faults.add(fault)
                continue
            self._count(page)
            if page.page_num < len(sizes):
                self._check_page(page, sizes, f"pages.{text.index}")
        if self._numbers or not texts:
            self._collect(lambda: check_unique(self._numbers))

    def _count(self, page: Page) -> None:
        self._numbers.append(page.page_num)
        cells = sum(len(table.all_cells) for table in page.tables)
        self._counts += Counts(pages=1, tables=len(page.tables), cells=cells)

    def _check_page(self, page: Page, sizes: list[PageSize], where: str) -> None:
        options = self._task.options
        self._collect(lambda: check_page_pixels(sizes, [page.page_num], options.dpi))
        width, height = sizes[page.page_num].pixels(options.dpi)
        for fault in page_faults(page, PageImage(width, height, options.dpi, options.coordinates), where):
            self._faults.add(fault)

    def _collect(self, check: Callable[[], None]) -> None:
        try:
            check()
        except DocumentError as error:
            self._faults.add(Fault.of(error))
