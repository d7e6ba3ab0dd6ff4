"""Checks one document in a process of the pool: its pages, their boxes, and whether PDF and JSON fit each other.

The PDF is asked for its pages' boxes, and for words only if the frame of the JSON's boxes depends on them; nothing is
drawn.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from training.annotations.validate.boxes import page_faults
from training.annotations.validate.findings import CheckedDocument, Counts, Fault, FaultList
from training.annotations.validate.frame import FrameFinder, FrameOptions, without_ink
from training.badgerdoc.document import Page, check_page_numbers, check_unique
from training.badgerdoc.reader import AUTO, PageText, page_texts
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason, quarantine_faults
from training.documents.render import RenderOptions, check_page_pixels, page_geometries
from training.documents.sizes.page_geometry import PageBox, PageGeometry, PageSize
from training.geometry import Words
from training.labels.frames.frame import Projection
from training.labels.frames.search import DocumentFrame


@dataclass(frozen=True)
class CheckOptions:
    """What preprocess would be told of the documents: the options with the same names."""

    annotation_format: str = AUTO
    frame: FrameOptions = field(default_factory=FrameOptions)


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
    """The check of one document."""

    def __init__(self, task: CheckTask) -> None:
        self._task = task
        self._faults = FaultList()
        self._format = ""
        self._counts = Counts()
        self._numbers: list[int] = []
        self._pages: dict[int, tuple[str, Page]] = {}  # those that can be read, each with its path in the JSON

    def result(self) -> CheckedDocument:
        """Checks in the order of preprocess, so that its fault is the first one here."""
        geometries: list[PageGeometry] = []
        self._collect(self._read)
        self._collect(lambda: geometries.extend(page_geometries(self._task.pdf)))
        if geometries and self._numbers:
            self._collect(lambda: check_page_numbers(self._numbers, len(geometries)))
            self._collect(lambda: self._check_boxes(geometries))
        return CheckedDocument(
            self._task.name, tuple(self._faults.first), self._faults.more, self._format, self._counts
        )

    def _read(self) -> None:
        texts = 0
        for text in page_texts(self._task.json.read_bytes(), self._task.options.annotation_format):
            texts += 1
            self._format = text.annotation_format
            self._read_page(text)
        if self._numbers or not texts:
            check_unique(self._numbers)

    def _read_page(self, text: PageText) -> None:
        try:
            page = text.read()
        except DocumentError as error:
            for fault in [Fault(Reason.SCHEMA, fault) for fault in text.faults()] or [Fault.of(error)]:
                self._faults.add(fault)
            return
        self._numbers.append(page.page_num)
        self._pages[page.page_num] = (f"pages.{text.index}", page)
        cells = sum(len(table.all_cells) for table in page.tables)
        self._counts += Counts(pages=1, tables=len(page.tables), cells=cells)

    def _check_boxes(self, geometries: list[PageGeometry]) -> None:
        pages = {number: found for number, found in sorted(self._pages.items()) if number < len(geometries)}
        if not pages:
            return
        cropped = {number for number in pages if geometries[number].size(PageBox.CROP).is_cropped}
        self._check_shapes([geometry.size(PageBox.MEDIA) for geometry in geometries], pages.keys() - cropped)
        finder = FrameFinder(self._task.pdf, geometries, self._task.options.frame, self._add)
        frame = finder.find({number: page for number, (_, page) in pages.items()})
        sizes = [geometry.size(frame.frame.box) for geometry in geometries]
        self._check_shapes(sizes, cropped)
        for where, page in pages.values():
            if page.tables:
                self._collect(partial(self._place, page, where, frame, sizes))

    def _check_shapes(self, sizes: list[PageSize], numbers: Set[int]) -> None:
        render = RenderOptions(self._task.options.frame.dpi)
        for number in sorted(numbers):
            self._collect(partial(check_page_pixels, sizes, [number], render))

    def _place(self, page: Page, where: str, frame: DocumentFrame, sizes: list[PageSize]) -> None:
        placement = frame.placement(page, without_ink(Words([])))
        width, height = sizes[page.page_num].pixels(self._task.options.frame.dpi)
        for fault in page_faults(page, Projection(placement, width, height), where):
            self._faults.add(fault)

    def _collect(self, check: Callable[[], object]) -> None:
        """Runs a part of the check; what it raises is a fault."""
        try:
            check()
        except DocumentError as error:
            self._add(error)

    def _add(self, error: DocumentError) -> None:
        self._faults.add(Fault.of(error))
