"""A folder of corrected documents -> a data set: all that `training.preprocess` does, from storage to storage."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.assemble import Inputs, build_dataset, check_failures
from training.dataset import Dataset
from training.documents import PageOptions
from training.errors import NotFound
from training.options import Allowance
from training.passwords import Passwords
from training.poppler import renderer_id
from training.prepared import PreparedDocument
from training.preparing import Preparation, Prepared, Progress, prepare_documents
from training.publish import Target
from training.records import RecordFolder
from training.review import write_review
from training.shards import WHOLE, Notes, Shard, shares
from training.source import JSON_FOLDER, PDF_FOLDER, Pairing, pair_documents
from training.split import SplitWeights, assign_splits
from training.storage import LocalStorage, Storage

logger = logging.getLogger(__name__)

OUTPUT_VERSION = 3  # raise it when the same input gives other files, so that nothing older counts as equal


@dataclass(frozen=True)
class Parameters:
    """All that decides the data set, besides the input."""

    pages: PageOptions = field(default_factory=PageOptions)
    weights: SplitWeights = field(default_factory=SplitWeights)
    seed: int = 0
    max_failed: Allowance = field(default_factory=lambda: Allowance(percent=10))

    def of_pages(self) -> dict[str, Any]:
        """What decides a document's pages, as the manifest names it."""
        return {
            "outputVersion": OUTPUT_VERSION,
            "format": self.pages.annotation_format,
            "coordinates": str(self.pages.coordinates),
            "renderer": renderer_id(),
            "images": self.pages.render.image_format,
            "dpi": self.pages.render.dpi,
        }

    def in_manifest(self) -> dict[str, Any]:
        """All of them; `max_failed` decides whether there is a data set, not what is in it."""
        return {**self.of_pages(), "split": str(self.weights), "seed": self.seed}


@dataclass(frozen=True)
class Outcome:
    """The data set in the target; `cache_hit` says that it was there already. `new_pages` were drawn in this run."""

    dataset: Dataset
    cache_hit: bool
    new_pages: int


@dataclass(frozen=True)
class ShareDone:
    """This share is done, and the data set is left to the process that is done last."""

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
) -> Outcome | ShareDone:
    """Makes the data set of `source` (`pdfs/`, `json/`) in `target` (`ttv/`, `pdfs/*/`, `report.html`).

    Raises DataError where nothing is usable or too many documents fail, and what the storages raise.
    """
    if isinstance(source, LocalStorage) and not source.root.is_dir():
        raise NotFound(f"The source folder {source.uri()} does not exist; check --source.")
    pairing = pair_documents([*source.list_objects(PDF_FOLDER), *source.list_objects(JSON_FOLDER)], source.uri())
    for key in pairing.ignored:
        logger.warning("%s is left out: documents are pdfs/<name>.pdf and json/<name>.json", source.uri(key))
    target.check_writable()
    place = Target(target)
    records = RecordFolder(scratch / "records")
    # A first guess, good unless documents fail or a class is rare, so that images go where they belong at once.
    unknown = {pair.name: frozenset[str]() for pair in pairing.pairs}
    preparation = Preparation(
        source=source,
        target=target,
        options=parameters.pages,
        page_parameters=parameters.of_pages(),
        passwords=passwords,
        guess=assign_splits(unknown, parameters.weights, parameters.seed),
        sizes=place.sizes(),
        records=records,
        scratch=scratch,
        before_change=place.begin_changes,
    )
    share = shares(pairing.pairs, shard.of)[shard.index]
    prepared = prepare_documents(preparation, share, workers=workers, on_progress=on_progress)
    new_pages = _new_pages(prepared)
    if shard == WHOLE:
        inputs = _inputs(pairing, prepared)
        return _assemble(place, inputs, parameters, records=records, scratch=scratch, new_pages=new_pages)
    notes = Notes(target, pairing, parameters.in_manifest(), shard.of)
    notes.leave(shard.index, prepared)
    collected = notes.collect(records)
    if collected is None:
        return ShareDone(shard, len(share))
    outcome = _assemble(place, collected, parameters, records=records, scratch=scratch, new_pages=new_pages)
    notes.clear()
    return outcome


def _assemble(
    place: Target, inputs: Inputs, parameters: Parameters, *, records: RecordFolder, scratch: Path, new_pages: int
) -> Outcome:
    check_failures(inputs, parameters.max_failed)
    classes = {document.name: document.classes for document in inputs.prepared}
    assignment = assign_splits(classes, parameters.weights, parameters.seed)
    dataset = build_dataset(inputs, assignment, parameters.in_manifest(), scratch)
    found = place.find(dataset)
    if found is not None:
        return Outcome(found, cache_hit=True, new_pages=new_pages)
    report = scratch / "report.html"
    write_review(report, dataset.manifest, inputs.prepared, records)
    published = place.publish(dataset, inputs, assignment, report)
    return Outcome(published, cache_hit=False, new_pages=new_pages)


def _inputs(pairing: Pairing, prepared: list[Prepared]) -> Inputs:
    results = [*(item.result for item in prepared), *pairing.quarantined]
    return Inputs.of(results, {item.result.name: item.digest for item in prepared}, pairing.ignored)


def _new_pages(prepared: list[Prepared]) -> int:
    return sum(len(item.result.pages) for item in prepared if item.is_new and isinstance(item.result, PreparedDocument))
