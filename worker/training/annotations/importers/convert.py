"""Writes imported documents as `pdfs/<name>.pdf` and `json/<name>.json`, several at a time."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from training.annotations.importers.grouping import ImportedDocument
from training.annotations.importers.page_sources import PageSource
from training.badgerdoc.document import Page, PixelBox
from training.badgerdoc.writer import DocumentWriter
from training.documents.names import JSON_FOLDER, PDF_FOLDER
from training.documents.quarantine import QuarantinedDocument, quarantine_faults
from training.geometry import Box
from training.process.threads import thread_pool
from training.storage.base import Storage


@dataclass(frozen=True)
class Written:
    """What was written of one document."""

    name: str
    pages: int
    tables: int
    cells: int


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Where documents come from and go to. `source_format` is noted in each JSON; `scratch` is an empty folder."""

    source_format: str
    page_source: PageSource
    target: Storage
    scratch: Path
    workers: int

    def write(
        self, documents: Sequence[ImportedDocument], on_progress: Callable[[int, int], None]
    ) -> list[Written | QuarantinedDocument]:
        """Writes each document, or says why it is left out; sorted by name. `on_progress` hears how many are done.

        Raises what the storages raise.
        """
        results: list[Written | QuarantinedDocument] = []
        with thread_pool(self.workers, "document") as threads:
            waiting = [threads.submit(self._one, index, document) for index, document in enumerate(documents)]
            for future in as_completed(waiting):
                results.append(future.result())
                on_progress(len(results), len(documents))
        return sorted(results, key=lambda result: result.name)

    def _one(self, index: int, document: ImportedDocument) -> Written | QuarantinedDocument:
        folder = self.scratch / f"{index:06d}"
        folder.mkdir()
        try:
            return quarantine_faults(document.name, lambda: self._write(document, folder / "document.pdf"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, document: ImportedDocument, pdf: Path) -> Written:
        sizes = self.page_source.write_pdf(document, pdf)
        pages = [
            Page(
                page_num=number,
                bbox=PixelBox.of(Box(0, 0, *sizes[number])),
                blocks=page.blocks(sizes[number]),
            )
            for number, page in document.pages.items()
        ]
        parts: list[bytes] = []
        writer = DocumentWriter(parts.append, f"{document.name}.pdf")
        for page in pages:
            writer.add(page)
        writer.end("importedFrom", self.source_format)
        self.target.upload_file(pdf, f"{PDF_FOLDER}{document.name}.pdf")
        # The JSON comes last: a document without one is named by whoever reads the folder.
        self.target.write_bytes(f"{JSON_FOLDER}{document.name}.json", b"".join(parts))
        tables = [table for page in pages for table in page.tables]
        return Written(document.name, len(pages), len(tables), sum(len(table.all_cells) for table in tables))
