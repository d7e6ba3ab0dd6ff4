"""Assembles the dataset (COCO files, manifest) from the prepared documents, in a scratch folder."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.dataset.coco import CocoDataset
from training.dataset.coco_lint import lint
from training.dataset.leakage import Content, find_leaks
from training.dataset.manifest import (
    Category,
    DocumentEntry,
    FileEntry,
    InputDigest,
    LeakEntry,
    Manifest,
    MoveEntry,
    QuarantinedEntry,
    RemarkEntry,
    SplitSummary,
    files_digest,
    inputs_digest,
)
from training.dataset.prepared_document import PreparedDocument
from training.dataset.split import SPLITS, Assignment
from training.documents.quarantine import QuarantinedDocument
from training.errors import DataError
from training.labels.categories import CATEGORIES
from training.preprocess.parameters import Allowance
from training.storage.files import sha256_file


@dataclass(frozen=True)
class Inputs:
    """All documents, sorted by name; the digests, by name, of those with both files; files that belong to none."""

    prepared: tuple[PreparedDocument, ...]
    quarantined: tuple[QuarantinedDocument, ...]
    digests: Mapping[str, InputDigest]
    ignored: tuple[str, ...]

    @classmethod
    def of(
        cls,
        results: Iterable[PreparedDocument | QuarantinedDocument],
        digests: Mapping[str, InputDigest],
        ignored: tuple[str, ...],
    ) -> "Inputs":
        """Sorts `results`, which may be in any order."""
        prepared: list[PreparedDocument] = []
        quarantined: list[QuarantinedDocument] = []
        for result in sorted(results, key=lambda result: result.name):
            if isinstance(result, PreparedDocument):
                prepared.append(result)
            else:
                quarantined.append(result)
        return cls(tuple(prepared), tuple(quarantined), digests, ignored)


@dataclass(frozen=True)
class AssembledDataset:
    """The manifest, and the local path of each split's COCO file."""

    manifest: Manifest
    annotation_files: Mapping[str, Path]


def check_failures(inputs: Inputs, allowed: Allowance) -> None:
    """Raises DataError if more documents failed than allowed, or none is left; the message counts the reasons."""
    failed = inputs.quarantined
    total = len(failed) + len(inputs.prepared)
    if not failed or (len(failed) <= allowed.limit(total) and inputs.prepared):
        return
    reasons = Counter(document.reason for document in failed)
    counted = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    first = failed[0]
    raise DataError(
        f"{len(failed)} of {total} documents cannot be used ({counted}), more than --max_failed_documents {allowed} "
        f"allows; the first is {first.name}: {first.message}"
    )


def build_dataset(
    inputs: Inputs, assignment: Assignment, parameters: Mapping[str, Any], scratch: Path
) -> AssembledDataset:
    """Makes the manifest, and the COCO files in the folder `scratch`.

    Raises DataError if the train split has no table, or a COCO file would be faulty.
    """
    files: list[FileEntry] = []
    annotation_files: dict[str, Path] = {}
    splits: dict[str, SplitSummary] = {}
    next_image, next_annotation = 1, 1
    for split in SPLITS:
        documents = [document for document in inputs.prepared if assignment.splits[document.name] == split]
        pages = [page for document in documents for page in document.pages]
        coco = CocoDataset([page.labelled for page in pages], next_image, next_annotation)
        lint(coco.images(), coco.annotations())
        counts = coco.counts()
        unlabelled = tuple(page.labelled.file_name for page in pages if not len(page.labelled.boxes))
        splits[split] = SplitSummary(
            documents=len(documents), images=len(pages), annotations=counts, unlabelled=unlabelled
        )
        next_image += len(pages)
        next_annotation += sum(counts.values())

        path = annotation_files[split] = scratch / f"{split}.json"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(coco.pieces())
        files.append(FileEntry(path=f"{split}/{split}.json", size_bytes=path.stat().st_size, sha256=sha256_file(path)))
        files += [
            FileEntry(path=f"{split}/images/{page.labelled.file_name}", size_bytes=page.size_bytes, sha256=page.sha256)
            for page in pages
        ]
    table = CATEGORIES[1]
    if not splits["train"].annotations[table]:
        raise DataError("The training split has no table to learn from; annotate more documents or change --seed.")
    manifest = _manifest(inputs, assignment, parameters, splits, sorted(files, key=lambda file: file.path))
    return AssembledDataset(manifest, annotation_files)


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
                pdf_sha256=document.digest.pdf_sha256,
                json_sha256=document.digest.json_sha256,
            )
            for document in inputs.prepared
        ),
        quarantined=tuple(
            QuarantinedEntry(name=document.name, reason=document.reason, message=document.message)
            for document in inputs.quarantined
        ),
        remarks=tuple(_remarks(inputs.prepared)),
        ignored=inputs.ignored,
        files=tuple(files),
    )


def _remarks(documents: Iterable[PreparedDocument]) -> Iterator[RemarkEntry]:
    for document in documents:
        for page in document.pages:
            kinds = Counter(remark.kind for remark in page.labelled.remarks)
            for kind, count in sorted(kinds.items()):
                yield RemarkEntry(document=document.name, page=page.number, kind=kind, count=count)


def _contents(inputs: Inputs, assignment: Assignment) -> Iterator[Content]:
    """What must not be in two splits. Pages without labels may be: they are often blank and therefore equal."""
    for document in inputs.prepared:
        split = assignment.splits[document.name]
        yield Content(document.digest.pdf_sha256, document.name, split)
        for page in document.pages:
            if len(page.labelled.boxes):
                yield Content(page.sha256, document.name, split)
