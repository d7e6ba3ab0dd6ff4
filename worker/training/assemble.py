"""Prepared documents -> the data set: splits, COCO files, manifest. Writes the COCO files to a scratch folder only."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.annotate import CATEGORIES
from training.coco import CocoDataset, lint
from training.documents import PreparedDocument, QuarantinedDocument
from training.errors import DataError
from training.leakage import Content, find_leaks
from training.manifest import (
    MANIFEST_NAME,
    Category,
    DocumentEntry,
    FileEntry,
    InputDigest,
    LeakEntry,
    Manifest,
    MoveEntry,
    QuarantinedEntry,
    SplitSummary,
    files_digest,
    inputs_digest,
)
from training.options import Allowance
from training.quarantine import Reason
from training.source import Pairing
from training.split import SPLITS, Assignment
from training.storage import sha256_file

TTV = "ttv"
MANIFEST_KEY = f"{TTV}/{MANIFEST_NAME}"


def image_key(split: str, file_name: str) -> str:
    """Where a page's image lies in the target."""
    return f"{TTV}/{split}/images/{file_name}"


def drawing_key(document: str, file_name: str) -> str:
    """Where a drawn page lies in the target."""
    return f"pdfs/{document}/draw_ann/{file_name}"


class Inputs:
    """What became of every document, in any order of arrival."""

    def __init__(self, unmatched: tuple[str, ...] = ()) -> None:
        self.unmatched = unmatched
        self._prepared: list[PreparedDocument] = []
        self._quarantined: list[QuarantinedDocument] = []
        self.digests: dict[str, InputDigest] = {}

    @classmethod
    def of(cls, pairing: Pairing) -> "Inputs":
        """Without any result yet, but with the documents that cannot be paired."""
        inputs = cls(pairing.unmatched)
        for name in pairing.ambiguous:
            message = f"Several files are named {name!r}, or the name is not usable; rename them."
            inputs._quarantined.append(QuarantinedDocument(name, Reason.AMBIGUOUS_NAME, message))
        return inputs

    def add(self, result: PreparedDocument | QuarantinedDocument, digest: InputDigest) -> None:
        """One document is done."""
        self.digests[result.name] = digest
        if isinstance(result, PreparedDocument):
            self._prepared.append(result)
        else:
            self._quarantined.append(result)

    @property
    def prepared(self) -> list[PreparedDocument]:
        """By name."""
        return sorted(self._prepared, key=lambda document: document.name)

    @property
    def quarantined(self) -> list[QuarantinedDocument]:
        """By name."""
        return sorted(self._quarantined, key=lambda document: document.name)


@dataclass(frozen=True)
class AssembledDataset:
    """The manifest; the COCO files as (local path, key in the target); the keys of all drawings."""

    manifest: Manifest
    annotation_files: tuple[tuple[Path, str], ...]
    drawings: frozenset[str]


def check_failures(inputs: Inputs, allowed: Allowance) -> None:
    """Raises DataError where more documents failed than allowed, or none is left; the message names the causes."""
    failed = inputs.quarantined
    total = len(failed) + len(inputs.prepared)
    if not failed or (len(failed) <= allowed.limit(total) and inputs.prepared):
        return
    causes = Counter(document.reason for document in failed)
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(causes.items()))
    first = failed[0]
    raise DataError(
        f"{len(failed)} of {total} documents cannot be used ({counted}), more than --max_failed_documents {allowed} "
        f"allows; the first is {first.name}: {first.message}"
    )


def build_dataset(
    inputs: Inputs, assignment: Assignment, parameters: Mapping[str, Any], scratch: Path
) -> AssembledDataset:
    """The manifest and the COCO files, the latter in `scratch`.

    Raises DataError where training has no table to learn from, or the annotations contradict themselves.
    """
    files: list[FileEntry] = []
    annotation_files: list[tuple[Path, str]] = []
    splits: dict[str, SplitSummary] = {}
    next_image, next_annotation = 1, 1
    for split in SPLITS:
        documents = [document for document in inputs.prepared if assignment.splits[document.name] == split]
        pages = [page for document in documents for page in document.pages]
        coco = CocoDataset([page.labelled for page in pages], next_image, next_annotation)
        lint(coco.images(), coco.annotations())
        counts = coco.counts()
        splits[split] = SplitSummary(documents=len(documents), images=len(pages), annotations=counts)
        next_image += len(pages)
        next_annotation += sum(counts.values())

        path = scratch / f"{split}.json"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(coco.chunks())
        annotation_files.append((path, f"{TTV}/{split}/{split}.json"))
        files.append(FileEntry(path=f"{split}/{split}.json", size_bytes=path.stat().st_size, sha256=sha256_file(path)))
        files += [
            FileEntry(path=f"{split}/images/{page.labelled.file_name}", size_bytes=page.size_bytes, sha256=page.sha256)
            for page in pages
        ]
    table = CATEGORIES[1]
    if not splits["train"].annotations[table]:
        raise DataError("The training split has no table to learn from; annotate more documents or change --seed.")
    manifest = _manifest(inputs, assignment, parameters, splits, sorted(files, key=lambda file: file.path))
    drawings = {drawing_key(document.name, name) for document in inputs.prepared for name in document.drawings}
    return AssembledDataset(manifest, tuple(annotation_files), frozenset(drawings))


def _manifest(
    inputs: Inputs,
    assignment: Assignment,
    parameters: Mapping[str, Any],
    splits: dict[str, SplitSummary],
    files: list[FileEntry],
) -> Manifest:
    return Manifest(
        digest=files_digest(files),
        input_digest=inputs_digest(inputs.digests),
        parameters=dict(parameters),
        categories=tuple(Category(id=number, name=name) for number, name in CATEGORIES.items()),
        splits=splits,
        moved=tuple(MoveEntry(document=m.document, source=m.source, target=m.target) for m in assignment.moves),
        leaks=tuple(
            LeakEntry(sha256=leak.sha256, documents=leak.documents, splits=leak.splits)
            for leak in find_leaks(_contents(inputs, assignment))
        ),
        documents=tuple(
            DocumentEntry(
                name=document.name,
                split=assignment.splits[document.name],
                pages=len(document.pages),
                pdf_sha256=inputs.digests[document.name].pdf_sha256,
                json_sha256=inputs.digests[document.name].json_sha256,
            )
            for document in inputs.prepared
        ),
        quarantined=tuple(
            QuarantinedEntry(name=document.name, reason=document.reason, message=document.message)
            for document in inputs.quarantined
        ),
        unmatched=inputs.unmatched,
        files=tuple(files),
    )


def _contents(inputs: Inputs, assignment: Assignment) -> Iterator[Content]:
    """What must not be in two splits; pages without labels are often blank, and equal for that."""
    for document in inputs.prepared:
        split = assignment.splits[document.name]
        yield Content(inputs.digests[document.name].pdf_sha256, document.name, split)
        for page in document.pages:
            if len(page.labelled.boxes):
                yield Content(page.sha256, document.name, split)
