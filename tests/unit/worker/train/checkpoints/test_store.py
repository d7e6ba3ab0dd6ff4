"""Which checkpoint a training continues from, and what is kept."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import DataError, Transient
from training.storage.base import StoredObject
from training.train.checkpoints.checkpoint import Checkpoint, Retention, parse_manifest
from training.train.checkpoints.store import CheckpointStore

DATASET = "sha256:d1"


def store_of(storage: MemoryStorage, scratch: Path, *, training: str = "t1", digest: str = DATASET) -> CheckpointStore:
    scratch.mkdir(exist_ok=True)
    return CheckpointStore(storage, scratch=scratch, dataset_digest=digest, training_id=training)


def commit(store: CheckpointStore, epoch: int, *, iteration: int | None = None) -> Checkpoint:
    """A checkpoint at the end of an epoch of ten iterations, or within it."""
    path = store.scratch / "saving.pth"
    path.write_bytes(f"{store.training_id} {epoch} {iteration}".encode())
    ended = iteration is None
    return store.commit(path, epoch=epoch, iteration=iteration or epoch * 10, epoch_ended=ended)


def test_the_manifest_is_written_after_the_checkpoint_and_removed_before_it(tmp_path: Path) -> None:
    storage = MemoryStorage()
    store = store_of(storage, tmp_path)
    for epoch in (1, 2, 3):
        kept = store.prune(commit(store, epoch))
    assert [checkpoint.epoch for checkpoint in kept] == [2, 3]
    assert storage.operations == [
        *("write epoch_1.pth", "write epoch_1.json"),
        *("write epoch_2.pth", "write epoch_2.json"),
        *("write epoch_3.pth", "write epoch_3.json"),
        *("delete epoch_1.json", "delete epoch_1.pth"),
    ]


def test_a_checkpoint_that_is_not_stored_as_written_gets_no_manifest(tmp_path: Path) -> None:
    class Forgetful(MemoryStorage):
        def upload_file(self, path: Path, key: str) -> None:
            self.write_bytes(key, path.read_bytes()[:-1])

    storage = Forgetful()
    with pytest.raises(Transient, match="not stored as it was written"):
        commit(store_of(storage, tmp_path), 1)
    assert "epoch_1.json" not in storage.objects


def test_a_manifest_reads_back_as_it_was_written(tmp_path: Path) -> None:
    storage = MemoryStorage()
    store = store_of(storage, tmp_path)
    checkpoint = store.record_metrics(commit(store, 1), {"bbox_mAP": 0.5})
    assert parse_manifest("epoch_1.json", storage.objects["epoch_1.json"]) == checkpoint


def damage_nothing(_storage: MemoryStorage) -> None:
    pass


def truncate_newest(storage: MemoryStorage) -> None:
    storage.objects["iteration_25.pth"] = storage.objects["iteration_25.pth"][:-1]


def alter_newest(storage: MemoryStorage) -> None:
    content = storage.objects["iteration_25.pth"]
    storage.objects["iteration_25.pth"] = b"X" + content[1:]


def lose_newest(storage: MemoryStorage) -> None:
    del storage.objects["iteration_25.pth"]


def lose_newest_manifest(storage: MemoryStorage) -> None:
    del storage.objects["iteration_25.json"]


def garble_newest_manifest(storage: MemoryStorage) -> None:
    storage.objects["iteration_25.json"] = b'{"version": 1'


def of_another_version(storage: MemoryStorage) -> None:
    storage.objects["iteration_25.json"] = storage.objects["iteration_25.json"].replace(
        b'"version": 1', b'"version": 2'
    )


def damage_all(storage: MemoryStorage) -> None:
    for key in storage.objects:
        storage.objects[key] = b""


def add_strange_files(storage: MemoryStorage) -> None:
    storage.objects |= {"notes.json": b"{}", "epoch_9.pth": b"never committed", "old/epoch_8.json": b"{}"}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (damage_nothing, "iteration_25.pth"),
        (truncate_newest, "epoch_2.pth"),
        (alter_newest, "epoch_2.pth"),
        (lose_newest, "epoch_2.pth"),
        (lose_newest_manifest, "epoch_2.pth"),
        (garble_newest_manifest, "epoch_2.pth"),
        (of_another_version, "epoch_2.pth"),
        (damage_all, None),
        (add_strange_files, "iteration_25.pth"),
    ],
)
def test_the_newest_checkpoint_that_verifies_is_found(
    tmp_path: Path, damage: Callable[[MemoryStorage], None], expected: str | None
) -> None:
    storage = MemoryStorage()
    store = store_of(storage, tmp_path)
    commit(store, 2)
    commit(store, 2, iteration=25)
    damage(storage)
    found = store.find_newest()
    assert (found[0].key if found else None) == expected
    if found:
        assert found[1].read_bytes() == storage.objects[found[0].key]


def test_a_checkpoint_of_another_dataset_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage()
    commit(store_of(storage, tmp_path), 1)
    assert store_of(storage, tmp_path, digest="sha256:d2").find_newest() is None
    assert "another dataset" in caplog.text


def test_the_training_that_wrote_last_is_continued_even_if_an_older_one_went_further(tmp_path: Path) -> None:
    storage = MemoryStorage()
    commit(store_of(storage, tmp_path, training="old"), 9)
    manifest = json.loads(storage.objects["epoch_9.json"])
    storage.objects["epoch_9.json"] = json.dumps({**manifest, "time": "2020-01-01T00:00:00Z"}).encode()
    commit(store_of(storage, tmp_path, training="new"), 1)
    found = store_of(storage, tmp_path).find_newest()
    assert found is not None
    assert found[0].key == "epoch_1.pth"
    assert "epoch_9.pth" in storage.objects, "a training deletes nothing of another"


def test_the_checkpoint_just_committed_is_kept_whatever_stands_further_on(tmp_path: Path) -> None:
    storage = MemoryStorage()
    store = store_of(storage, tmp_path)
    for epoch in (1, 2, 3):
        store.prune(commit(store, epoch))
    for key in ("epoch_2.pth", "epoch_3.pth"):
        storage.objects[key] = b"damaged"
    store.prune(commit(store, 1, iteration=15))
    assert "iteration_15.json" in storage.objects
    found = store.find_newest()
    assert found is not None
    assert found[0].key == "iteration_15.pth"


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Retention(last=1, best=0), [5]),
        (Retention(last=2, best=1), [2, 4, 5]),
        (Retention(last=2, best=3), [1, 2, 4, 5]),
        (Retention(last=4, best=1), [2, 3, 4, 5]),  # the best is among the newest
        (Retention(last=9, best=9), [1, 2, 3, 4, 5]),
    ],
)
def test_the_newest_and_the_best_checkpoints_are_kept(tmp_path: Path, keep: Retention, expected: list[int]) -> None:
    storage = MemoryStorage()
    store = CheckpointStore(storage, scratch=tmp_path, dataset_digest=DATASET, training_id="t1", keep=keep)
    maps = {1: 0.4, 2: 0.6, 3: 0.1, 4: 0.4}  # the last one's validation is not done
    for epoch in (1, 2, 3, 4, 5):
        newest = commit(store, epoch)
        if epoch in maps:
            newest = store.record_metrics(newest, {"bbox_mAP": maps[epoch]})
    assert [checkpoint.epoch for checkpoint in store.prune(newest)] == expected
    assert sorted(storage.objects) == sorted(f"epoch_{epoch}.{kind}" for epoch in expected for kind in ("pth", "json"))


class VersionedStorage(MemoryStorage):
    """Tells the version of what it lists, as S3 does; `read` says what was read, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        for item in super().list_objects(prefix):
            yield replace(item, version=hashlib.sha256(self.objects[item.key]).hexdigest())

    def read_bytes(self, key: str) -> bytes:
        if key.endswith(".json"):
            self.read.append(key)
        return super().read_bytes(key)


def store_that_keeps(storage: MemoryStorage, scratch: Path, *, last: int) -> CheckpointStore:
    keep = Retention(last=last, best=1)
    return CheckpointStore(storage, scratch=scratch, dataset_digest=DATASET, training_id="t1", keep=keep)


def test_a_manifest_is_read_once_while_it_stays_the_same(tmp_path: Path) -> None:
    storage = VersionedStorage()
    for epoch in (1, 2):
        commit(store_of(storage, tmp_path), epoch)
    store = store_that_keeps(storage, tmp_path, last=9)
    for epoch in (3, 4):
        newest = commit(store, epoch)
        store.prune(newest)
    store.prune(store.record_metrics(newest, {"bbox_mAP": 0.5}))
    # The newest one is another after its validation.
    assert storage.read == [*(f"epoch_{epoch}.json" for epoch in (1, 2, 3, 4)), "epoch_4.json"]


def of_another_training(storage: MemoryStorage, scratch: Path) -> None:
    commit(store_of(storage, scratch, training="t2"), 1)


def with_better_metrics(storage: MemoryStorage, scratch: Path) -> None:
    other = store_of(storage, scratch)
    other.record_metrics(parse_manifest("epoch_1.json", storage.objects["epoch_1.json"]), {"bbox_mAP": 0.9})


def deleted(storage: MemoryStorage, _scratch: Path) -> None:
    del storage.objects["epoch_1.json"]


def garbled(storage: MemoryStorage, _scratch: Path) -> None:
    storage.objects["epoch_1.json"] = b'{"version": 1'


def another_one_within_an_epoch(storage: MemoryStorage, scratch: Path) -> None:
    commit(store_of(storage, scratch), 1, iteration=15)


@pytest.mark.parametrize(
    ("change", "kept", "left"),
    [
        (of_another_training, [30], ["epoch_1.json", "epoch_3.json"]),
        (with_better_metrics, [10, 30], ["epoch_1.json", "epoch_3.json"]),
        (deleted, [30], ["epoch_3.json"]),
        (garbled, [30], ["epoch_1.json", "epoch_3.json"]),
        (another_one_within_an_epoch, [30], ["epoch_3.json"]),
    ],
)
def test_what_another_process_changed_meanwhile_is_seen(
    tmp_path: Path, change: Callable[[MemoryStorage, Path], None], kept: list[int], left: list[str]
) -> None:
    storage = VersionedStorage()
    store = store_that_keeps(storage, tmp_path, last=1)
    store.prune(commit(store, 1))
    change(storage, tmp_path)
    assert [checkpoint.iteration for checkpoint in store.prune(commit(store, 3))] == kept
    assert sorted(key for key in storage.objects if key.endswith(".json")) == left


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b'{"version": 1, "kind": "Model"}'])
def test_what_is_no_manifest_is_a_data_error(content: bytes) -> None:
    with pytest.raises(DataError, match=r"epoch_1\.json is no checkpoint manifest"):
        parse_manifest("epoch_1.json", content)
