"""The whole of `training.preprocess`: a folder of corrected documents in, a dataset out, from storage to storage."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from training.badgerdoc.corpus import Pairing, check_pairs
from training.badgerdoc.source import find_documents
from training.dataset.layout import is_ours
from training.dataset.prepared_document import PreparedDocument, RecordFolder
from training.dataset.split import assign_splits
from training.dataset.verify import Dataset
from training.documents.passwords import Passwords
from training.preprocess.assemble import Inputs, build_dataset, check_failures
from training.preprocess.parameters import Parameters
from training.preprocess.prepare import Preparation, Prepared, Progress, prepare_documents
from training.preprocess.shards import WHOLE, Notes, Shard, deal
from training.preprocess.target import Target
from training.reports.dataset_report import write_review
from training.storage.base import Storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetDone:
    """The dataset in the target; `cache_hit` means that it was there already. This run drew `new_pages` pages."""

    dataset: Dataset
    cache_hit: bool
    new_pages: int


@dataclass(frozen=True)
class ShardDone:
    """This shard is done; the pod that finishes last assembles the dataset."""

    shard: Shard
    documents: int


def preprocess(
    source: Storage,
    target: Storage,
    parameters: Parameters,
    *,
    passwords: Passwords,
    scratch: Path,
    workers: int,
    shard: Shard = WHOLE,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> DatasetDone | ShardDone:
    """Makes the dataset of `source` (`pdfs/`, `json/`) in `target` (`ttv/`, `pdfs/*/`, `report.html`).

    Raises DataError if nothing is usable or too many documents fail, and what the storages raise.
    """
    pairing = find_documents(source, is_output=is_ours)
    check_pairs(pairing, source.uri())
    for key in pairing.ignored:
        logger.warning("%s is left out: documents are pdfs/<name>.pdf and json/<name>.json", source.uri(key))
    target.check_writable()
    # A first guess at the splits: unless a document fails or a category is rare, images go to their final place.
    unknown = {pair.name: frozenset[str]() for pair in pairing.pairs}
    place = Target(target, assign_splits(unknown, parameters.weights, parameters.seed))
    records = RecordFolder(scratch / "records")
    preparation = Preparation(
        source=source,
        target=place,
        options=parameters.pages,
        page_parameters=parameters.of_pages(),
        passwords=passwords,
        records=records,
        scratch=scratch,
    )
    pairs = deal(pairing.pairs, shard.of)[shard.index]
    prepared = prepare_documents(preparation, pairs, workers=workers, on_progress=on_progress)
    new_pages = _new_pages(prepared)
    if shard == WHOLE:
        inputs = _inputs(pairing, prepared)
        return _assemble(place, inputs, parameters, records=records, scratch=scratch, new_pages=new_pages)
    notes = Notes(target, pairing, parameters.in_manifest(), shard.of)
    notes.leave(shard.index, prepared)
    collected = notes.collect(records)
    if collected is None:
        return ShardDone(shard, len(pairs))
    outcome = _assemble(place, collected, parameters, records=records, scratch=scratch, new_pages=new_pages)
    notes.clear()
    return outcome


def _assemble(
    place: Target, inputs: Inputs, parameters: Parameters, *, records: RecordFolder, scratch: Path, new_pages: int
) -> DatasetDone:
    check_failures(inputs, parameters.max_failed)
    classes = {document.name: document.classes for document in inputs.prepared}
    assignment = assign_splits(classes, parameters.weights, parameters.seed)
    dataset = build_dataset(inputs, assignment, parameters.in_manifest(), scratch)
    found = place.find(dataset)
    if found is not None:
        return DatasetDone(found, cache_hit=True, new_pages=new_pages)
    report = scratch / "report.html"
    write_review(report, dataset.manifest, inputs.prepared, records)
    published = place.publish(dataset, inputs, assignment, report)
    return DatasetDone(published, cache_hit=False, new_pages=new_pages)


def _inputs(pairing: Pairing, prepared: list[Prepared]) -> Inputs:
    results = [*(item.result for item in prepared), *pairing.quarantined]
    return Inputs.of(results, {item.result.name: item.digest for item in prepared}, pairing.ignored)


def _new_pages(prepared: list[Prepared]) -> int:
    return sum(len(item.result.pages) for item in prepared if item.is_new and isinstance(item.result, PreparedDocument))
