"""What a check of documents found: faults with the reasons of preprocess, and counts. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason
from training.errors import one_line

MAX_FAULTS = 50  # of one document: a file of the wrong format has a fault in every field


class Fault(NamedTuple):
    """One fault of a document; the message says where in its files it is."""

    reason: Reason
    message: str

    @classmethod
    def of(cls, error: DocumentError) -> "Fault":
        return cls(error.quarantine_reason, one_line(str(error)))


@dataclass(frozen=True)
class Counts:
    """How much is in the JSON of a document, as far as it could be read."""

    pages: int = 0
    tables: int = 0
    cells: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.pages + other.pages, self.tables + other.tables, self.cells + other.cells)


@dataclass(frozen=True)
class CheckedDocument:
    """A document's faults: the first MAX_FAULTS and how many `more`. `annotation_format` is empty if unknown."""

    name: str
    faults: tuple[Fault, ...] = ()
    more: int = 0
    annotation_format: str = ""
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def quarantined(cls, document: QuarantinedDocument) -> "CheckedDocument":
        """A document that could not be checked any further."""
        return cls(document.name, (Fault(document.reason, document.message),))

    @property
    def fault_count(self) -> int:
        return len(self.faults) + self.more


class FaultList:
    """Collects the different faults of one document; memory does not grow with their number."""

    def __init__(self) -> None:
        self.first: list[Fault] = []
        self.more = 0

    def add(self, fault: Fault) -> None:
        if fault in self.first:
            return
        if len(self.first) < MAX_FAULTS:
            self.first.append(fault)
        else:
            self.more += 1


@dataclass(frozen=True)
class Findings:
    """All documents, sorted by name, and the keys of files that belong to none."""

    documents: tuple[CheckedDocument, ...]
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, documents: Iterable[CheckedDocument], ignored: Sequence[str]) -> "Findings":
        return cls(tuple(sorted(documents, key=lambda document: document.name)), tuple(ignored))

    @property
    def faulty(self) -> tuple[CheckedDocument, ...]:
        return tuple(document for document in self.documents if document.faults)

    @property
    def fault_count(self) -> int:
        return sum(document.fault_count for document in self.documents)

    @property
    def counts(self) -> Counts:
        return sum((document.counts for document in self.documents), Counts())

    @property
    def formats(self) -> dict[str, int]:
        """The number of documents in each format."""
        return dict(sorted(Counter(one.annotation_format for one in self.documents if one.annotation_format).items()))

    def lines(self) -> list[str]:
        """The faults one a line, as `<document>: <reason>: <message>`, then the counts."""
        lines = [f"{key}: ignored: it is neither pdfs/<name>.pdf nor json/<name>.json" for key in self.ignored]
        for document in self.faulty:
            lines += [f"{document.name}: {fault.reason}: {fault.message}" for fault in document.faults]
            if document.more:
                lines.append(f"{document.name}: and {document.more:,} more")
        counts = self.counts
        formats = ", ".join(f"{number} in the {name} format" for name, number in self.formats.items())
        documents = f"{len(self.documents)} documents" + (f" ({formats})" if formats else "")
        lines.append(f"{documents}: {counts.pages:,} pages, {counts.tables:,} tables, {counts.cells:,} cells")
        lines.append(f"{self.fault_count:,} faults in {len(self.faulty)} documents" if self.faulty else "no faults")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "documents": len(self.documents),
            "faulty": len(self.faulty),
            "pages": self.counts.pages,
            "tables": self.counts.tables,
            "cells": self.counts.cells,
            "formats": self.formats,
            "faults": [
                {"document": document.name, "reason": str(fault.reason), "message": fault.message}
                for document in self.faulty
                for fault in document.faults
            ],
            "more": {document.name: document.more for document in self.faulty if document.more},
            "ignored": list(self.ignored),
        }
