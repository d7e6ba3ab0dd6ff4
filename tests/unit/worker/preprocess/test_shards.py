"""Shards of a corpus: how documents are dealt out, and when the notes of all are there."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.storage.memory_storage import MemoryStorage
from training.badgerdoc.corpus import Pair, Pairing
from training.dataset.layout import document_record_key
from training.dataset.manifest import InputDigest
from training.dataset.prepared_document import PreparedDocument, RecordFolder, write_record
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import Transient
from training.preprocess.prepare import Prepared
from training.preprocess.shards import Notes, deal
from training.storage.base import StoredObject

A = "a" * 64
DIGEST = InputDigest(A, A)


def pair(name: str, size: int = 1, version: str = "1") -> Pair:
    stored = [StoredObject(f"{kind}/{name}.{kind}", size, version) for kind in ("pdf", "json")]
    return Pair(name, stored[0], stored[1])


def pairing(names: Sequence[str], version: str = "1") -> Pairing:
    return Pairing(tuple(pair(name, version=version) for name in names), (), ())


def prepared(name: str) -> Prepared:
    return Prepared(PreparedDocument(name, f"key of {name}", DIGEST, ()), DIGEST, is_new=True)


def put_record(target: MemoryStorage, folder: Path, name: str) -> None:
    write_record(folder / "record", PreparedDocument(name, f"key of {name}", DIGEST, ()), [])
    target.upload_file(folder / "record", document_record_key(name))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(1, 8))
def test_every_document_is_in_one_shard_and_no_shard_has_much_more_than_another(sizes: list[int], count: int) -> None:
    pairs = [pair(f"{number:02}", size) for number, size in enumerate(sizes)]
    dealt = deal(pairs, count)
    assert sorted(item.name for shard in dealt for item in shard) == [item.name for item in pairs]
    totals = [sum(item.pdf.size_bytes for item in shard) for shard in dealt]
    assert max(totals) - min(totals) <= max(sizes)
    assert deal(list(reversed(pairs)), count) == dealt


def test_the_dataset_is_assembled_when_the_last_note_is_there(tmp_path: Path) -> None:
    target = MemoryStorage()
    notes = Notes(target, pairing(["a", "b", "c"]), {}, 2)
    for name in ("a", "c"):
        put_record(target, tmp_path, name)
    notes.leave(1, [prepared("c")])
    assert notes.collect(RecordFolder(tmp_path / "first")) is None
    bad = QuarantinedDocument("b", Reason.CORRUPT, "The PDF cannot be read.")
    notes.leave(0, [prepared("a"), Prepared(bad, DIGEST, is_new=True)])
    inputs = notes.collect(RecordFolder(tmp_path / "second"))
    assert inputs is not None
    assert [document.name for document in inputs.prepared] == ["a", "c"]
    assert inputs.quarantined == (bad,)
    assert inputs.digests == dict.fromkeys("abc", DIGEST)
    notes.clear()
    assert notes.collect(RecordFolder(tmp_path / "third")) is None


@pytest.mark.parametrize(
    "other",
    [
        lambda target: Notes(target, pairing(["a", "b"], version="2"), {}, 2),
        lambda target: Notes(target, pairing(["a", "b", "c"]), {}, 2),
        lambda target: Notes(target, pairing(["a", "b"]), {"dpi": 60}, 2),
        lambda target: Notes(target, pairing(["a", "b"]), {}, 3),
    ],
)
def test_notes_of_another_corpus_or_of_other_parameters_do_not_count(other: object, tmp_path: Path) -> None:
    target = MemoryStorage()
    for index, name in enumerate("ab"):
        put_record(target, tmp_path, name)
        Notes(target, pairing(["a", "b"]), {}, 2).leave(index, [prepared(name)])
    assert other(target).collect(RecordFolder(tmp_path / "records")) is None  # type: ignore[operator]


def test_a_document_that_was_prepared_anew_meanwhile_is_tried_again(tmp_path: Path) -> None:
    target = MemoryStorage()
    notes = Notes(target, pairing(["a"]), {}, 1)
    write_record(tmp_path / "record", PreparedDocument("a", "another key", DIGEST, ()), [])
    target.upload_file(tmp_path / "record", document_record_key("a"))
    notes.leave(0, [prepared("a")])
    with pytest.raises(Transient, match="a was prepared anew"):
        notes.collect(RecordFolder(tmp_path / "records"))
