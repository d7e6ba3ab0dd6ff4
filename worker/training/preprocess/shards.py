"""Divides one corpus among several pods: each prepares its shard, and the pod that finishes last assembles the dataset.

A pod writes its documents' records, as always, and when all its documents are done, a note with their results. The
notes' folder is named by a hash of what was divided: every file's name, size and version, the parameters and the number
of shards. So notes of another corpus, or of this one before a change, are never mistaken for this run's. Two pods that
finish at the same time may both assemble: they write the same bytes.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from training.badgerdoc.corpus import Pair, Pairing
from training.camel_model import CamelModel
from training.dataset.layout import SHARDS, document_record_key
from training.dataset.manifest import InputDigest, QuarantinedEntry
from training.dataset.prepared_document import PreparedDocument, RecordFolder, read_record
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import NotFound, Transient
from training.preprocess.assemble import Inputs
from training.preprocess.prepare import Prepared
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage


@dataclass(frozen=True)
class Shard:
    """The part of the documents that this process prepares; `index` counts from 0."""

    index: int = 0
    of: int = 1


WHOLE = Shard()


class _Document(CamelModel):
    """One document of a shard; `key` is its record's key, or None if it was quarantined."""

    name: str
    key: str | None
    pdf_sha256: str
    json_sha256: str


class _Note(CamelModel):
    """The results of a shard."""

    version: Literal[1] = 1
    kind: Literal["Shard"] = "Shard"
    documents: tuple[_Document, ...]
    quarantined: tuple[QuarantinedEntry, ...]


def deal(pairs: Sequence[Pair], count: int) -> list[list[Pair]]:
    """Divides the documents into `count` shards with about the same number of bytes each."""
    dealt: list[list[Pair]] = [[] for _ in range(count)]
    heap = [(0, index) for index in range(count)]
    # Largest first, each to the shard that is smallest so far.
    for pair in sorted(pairs, key=lambda pair: (-pair.pdf.size_bytes, pair.name)):
        size, index = heapq.heappop(heap)
        dealt[index].append(pair)
        heapq.heappush(heap, (size + pair.pdf.size_bytes, index))
    return dealt


class Notes:
    """The notes in the target about one corpus that is divided into `count` shards."""

    def __init__(self, target: Storage, pairing: Pairing, parameters: Mapping[str, Any], count: int) -> None:
        files = [[item.key, item.size_bytes, item.version] for pair in pairing.pairs for item in (pair.pdf, pair.json)]
        cut_from = json.dumps([files, dict(parameters), count], sort_keys=True)
        self._folder = f"{SHARDS}/{hashlib.sha256(cut_from.encode()).hexdigest()[:16]}/"
        self._target = target
        self._pairing = pairing
        self._keys = [f"{self._folder}{index}.json" for index in range(count)]

    def leave(self, index: int, shard: Iterable[Prepared]) -> None:
        """Writes the note of a shard that is done."""
        results = sorted(shard, key=lambda prepared: prepared.result.name)
        note = _Note(
            documents=tuple(
                _Document(
                    name=prepared.result.name,
                    key=prepared.result.key if isinstance(prepared.result, PreparedDocument) else None,
                    pdf_sha256=prepared.digest.pdf_sha256,
                    json_sha256=prepared.digest.json_sha256,
                )
                for prepared in results
            ),
            quarantined=tuple(
                QuarantinedEntry(name=result.name, reason=result.reason, message=result.message)
                for result in (prepared.result for prepared in results)
                if isinstance(result, QuarantinedDocument)
            ),
        )
        self._target.write_bytes(self._keys[index], note.model_dump_json(by_alias=True).encode())

    def collect(self, records: RecordFolder) -> Inputs | None:
        """The documents of all shards; None if a shard is not done yet, or another pod has assembled them already.

        Raises Transient if a document's record does not fit the note: the source was changed meanwhile.
        """
        there = {found.key for found in self._target.list_objects(self._folder)}
        if not there.issuperset(self._keys):
            return None
        try:
            notes = [_Note.model_validate_json(self._target.read_bytes(key)) for key in self._keys]
        except NotFound:
            return None
        except ValidationError as error:
            raise Transient(f"{self._target.uri(self._folder)} holds a note that cannot be read; try again.") from error
        documents = [document for note in notes for document in note.documents]
        if {document.name for document in documents} != {pair.name for pair in self._pairing.pairs}:
            raise Transient("The shards do not add up to the documents of the source; try again.")

        def fetch(document: _Document) -> PreparedDocument:
            path = records.path(document.name)
            if not path.exists():
                self._target.download_file(document_record_key(document.name), path)
            found = read_record(path)
            if found is None or found.key != document.key:
                raise Transient(f"{document.name} was prepared anew while its shard was assembled; try again.")
            return found

        with thread_pool(TRANSFER_THREADS, "collect") as threads:
            prepared = list(threads.map(fetch, (document for document in documents if document.key is not None)))
        quarantined = [
            QuarantinedDocument(entry.name, Reason(entry.reason), entry.message)
            for note in notes
            for entry in note.quarantined
        ]
        digests = {document.name: InputDigest(document.pdf_sha256, document.json_sha256) for document in documents}
        return Inputs.of([*prepared, *quarantined, *self._pairing.quarantined], digests, self._pairing.ignored)

    def clear(self) -> None:
        """Deletes the notes of this corpus and of earlier ones."""
        for found in list(self._target.list_objects(f"{SHARDS}/")):
            self._target.delete(found.key)
