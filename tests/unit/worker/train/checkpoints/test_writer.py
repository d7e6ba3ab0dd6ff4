"""Checkpoints on their way in the background: which arrive, in what order, and what a silent store does to them."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import Forbidden, Transient, WorkerError
from training.process.backoff import Backoff
from training.storage.base import GivenUp, Wanted, always
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.store import CheckpointStore
from training.train.checkpoints.writer import CheckpointWriter, SavedCheckpoint

AT_ONCE = Backoff(first_s=0.001, most_s=0.001)
LONG_S = 20.0


class GatedStorage(MemoryStorage):
    """Uploads stand at a gate until it is opened; while `error` is set they fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)
        self.error: WorkerError | None = None

    def upload_file(self, path: Path, key: str) -> None:
        self.arrived.release()
        assert self.gate.wait(LONG_S)
        if self.error:
            raise self.error
        super().upload_file(path, key)


class Told:
    """What `on_change` was told, as lists of iterations."""

    def __init__(self) -> None:
        self.kept: list[list[int]] = []

    def __call__(self, checkpoints: object) -> None:
        assert isinstance(checkpoints, list)
        self.kept.append([checkpoint.iteration for checkpoint in checkpoints])


@pytest.fixture
def storage() -> GatedStorage:
    return GatedStorage()


@pytest.fixture
def make_writer(tmp_path: Path, storage: GatedStorage) -> Callable[..., CheckpointWriter]:
    def make(
        *, told: Told | None = None, last: Checkpoint | None = None, backoff: Backoff = AT_ONCE
    ) -> CheckpointWriter:
        store = CheckpointStore(storage, scratch=tmp_path, dataset_digest="sha256:d", training_id="t")
        return CheckpointWriter(store, last=last, on_change=told or Told(), backoff=backoff)

    return make


def saved(folder: Path, iteration: int) -> SavedCheckpoint:
    path = folder / f"saving_{iteration}.pth"
    path.write_bytes(f"state {iteration}".encode())
    return SavedCheckpoint(path=path, epoch=0, iteration=iteration, epoch_ended=False)


def test_a_checkpoint_is_committed_told_of_and_its_file_deleted(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    told = Told()
    writer = make_writer(told=told)
    for iteration in (3, 6, 9):
        writer.submit(saved(tmp_path, iteration))
        last = writer.wait(LONG_S)
        assert last is not None
        assert last.iteration == iteration
    assert sorted(storage.objects) == [f"iteration_{number}.{kind}" for number in (6, 9) for kind in ("json", "pth")]
    assert list(tmp_path.iterdir()) == []
    while len(told.kept) < 3:
        threading.Event().wait(0.01)
    assert told.kept == [[3], [3, 6], [6, 9]]


def test_training_is_never_held_up_and_of_those_that_wait_the_newest_goes(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    storage.gate.clear()
    writer = make_writer()
    writer.submit(saved(tmp_path, 1))
    assert storage.arrived.acquire(timeout=LONG_S)
    for iteration in (2, 3, 4):  # returns at once, although nothing gets through
        writer.submit(saved(tmp_path, iteration))
    assert sorted(path.name for path in tmp_path.glob("saving_*")) == ["saving_1.pth", "saving_4.pth"]
    storage.gate.set()
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.iteration == 4
    assert [key for key in storage.objects if key.endswith(".json")] == ["iteration_1.json", "iteration_4.json"]


@pytest.mark.parametrize("error", [Transient("503"), Forbidden("the credentials expired")])
def test_a_store_that_refuses_is_tried_again_until_it_takes_the_checkpoint(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter], error: WorkerError
) -> None:
    storage.error = error
    writer = make_writer()
    writer.submit(saved(tmp_path, 1))
    for _ in range(5):
        assert storage.arrived.acquire(timeout=LONG_S)
    with pytest.raises(type(error)):
        writer.wait(0.05)
    storage.error = None
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.iteration == 1


def test_a_newer_checkpoint_replaces_the_one_that_does_not_get_through(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    storage.error = Transient("away")
    writer = make_writer(backoff=Backoff(first_s=3600, most_s=3600))
    writer.submit(saved(tmp_path, 1))
    assert storage.arrived.acquire(timeout=LONG_S)
    storage.error = None
    writer.submit(saved(tmp_path, 2))
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.iteration == 2
    assert list(tmp_path.iterdir()) == []


def test_metrics_reach_the_manifest_whether_they_come_before_the_commit_or_after(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    storage.gate.clear()
    writer = make_writer()
    writer.submit(saved(tmp_path, 1))
    writer.record_metrics(1, {"bbox_mAP": 0.25})
    storage.gate.set()
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.metrics == {"bbox_mAP": 0.25}
    writer.record_metrics(1, {"bbox_mAP": 0.5})
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.metrics == {"bbox_mAP": 0.5}
    assert b'"bbox_mAP": 0.5' in storage.objects["iteration_1.json"]
    assert make_writer(last=last).wait(LONG_S) == last, "a training that is continued has nothing to wait for"


def test_a_fault_of_the_writer_ends_the_training(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    writer = make_writer()
    storage.list_objects = None  # type: ignore[assignment, method-assign]
    writer.submit(saved(tmp_path, 1))
    with pytest.raises(TypeError):
        writer.wait(LONG_S)
    with pytest.raises(TypeError):
        writer.submit(saved(tmp_path, 2))


class SlowForTheFirst(MemoryStorage):
    """The checkpoint of iteration 1 never gets beyond `point`; if `is_deaf`, nobody asks whether it is wanted."""

    def __init__(self, point: str, *, is_deaf: bool) -> None:
        super().__init__()
        self.point = point
        self.is_deaf = is_deaf
        self.began = threading.Event()
        self.ended = threading.Event()

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:
        self._linger("upload", key, wanted)
        return super().upload_checked(path, key)

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:
        self._linger("read-back", key, wanted)
        super().download_file(key, path)

    def _linger(self, point: str, key: str, wanted: Wanted) -> None:
        if (point, key) != (self.point, "iteration_1.pth"):
            return
        self.began.set()
        while self.is_deaf or wanted():
            threading.Event().wait(0.01)
        self.ended.set()
        raise GivenUp("nobody waits for it")


@pytest.mark.parametrize("point", ["upload", "read-back"])
@pytest.mark.parametrize("is_deaf", [False, True], ids=["that listens", "that hangs"])
def test_a_stop_gives_up_a_slow_older_checkpoint_for_the_newest(tmp_path: Path, point: str, is_deaf: bool) -> None:
    storage = SlowForTheFirst(point, is_deaf=is_deaf)
    store = CheckpointStore(storage, scratch=tmp_path, dataset_digest="sha256:d", training_id="t")
    writer = CheckpointWriter(store, backoff=AT_ONCE)
    writer.submit(saved(tmp_path, 1))
    assert storage.began.wait(LONG_S)
    writer.submit(saved(tmp_path, 2))
    with pytest.raises(Transient):
        writer.wait(0.05)  # so far it waits
    writer.hurry()
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.iteration == 2
    assert [key for key in storage.objects if key.endswith(".json")] == ["iteration_2.json"]
    assert is_deaf or storage.ended.wait(LONG_S), "what nobody waits for uses the network no longer"


def test_a_stop_waits_for_a_slow_checkpoint_if_there_is_no_newer_one(
    tmp_path: Path, storage: GatedStorage, make_writer: Callable[..., CheckpointWriter]
) -> None:
    storage.gate.clear()
    writer = make_writer()
    writer.submit(saved(tmp_path, 1))
    assert storage.arrived.acquire(timeout=LONG_S)
    writer.hurry()
    storage.gate.set()
    last = writer.wait(LONG_S)
    assert last is not None
    assert last.iteration == 1
