"""The weights that a finished training publishes, as far as the store of checkpoints decides."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.storage.memory_storage import MemoryStorage
from training.errors import Forbidden, Transient, WorkerError
from training.model import weights
from training.storage.base import StoredObject
from training.train.checkpoints.checkpoint import Retention
from training.train.checkpoints.choice import BEST, LAST, Publish, ValidatedWeights
from training.train.checkpoints.store import CheckpointStore
from training.train.result.published_weights import PublishedWeights, find_published_weights

VALUES = {1: 0.2, 2: 0.6, 3: 0.5, 4: 0.4}  # of bbox_mAP, by epoch


class Refusing(MemoryStorage):
    """Refuses to list its objects while `error` is set."""

    error: WorkerError | None = None

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        if self.error:
            raise self.error
        return super().list_objects(prefix)


@pytest.fixture
def storage() -> Refusing:
    return Refusing()


@pytest.fixture
def store(storage: Refusing, tmp_path: Path) -> CheckpointStore:
    made = CheckpointStore(
        storage, scratch=tmp_path, dataset_digest="d", training_id="t", keep=Retention(last=2, best=2)
    )
    for epoch, value in VALUES.items():
        path = tmp_path / "saving.pth"
        weights.save({"state_dict": {"a": torch.tensor(float(epoch))}, "optimizer": {}}, path)
        committed = made.commit(path, epoch=epoch, iteration=epoch * 10, epoch_ended=True)
        made.prune(made.record_metrics(committed, {"bbox_mAP": value}))
    path.unlink()
    return made


def find(publish: Publish, store: CheckpointStore, *, value: float = VALUES[4]) -> PublishedWeights:
    last = ValidatedWeights(epoch=4, metrics={"bbox_mAP": value})
    return find_published_weights(publish, store, last, base_weights=False, give_up_s=time.monotonic())


def test_the_best_checkpoint_is_read_and_its_own_metrics_and_epoch_are_told(
    store: CheckpointStore, tmp_path: Path
) -> None:
    found = find(BEST, store)
    assert found.state == {"a": torch.tensor(2.0)}
    assert found.validated == ValidatedWeights(epoch=2, metrics={"bbox_mAP": 0.6})
    assert found.warnings == []
    assert list(tmp_path.iterdir()) == []


def test_the_last_weights_are_published_as_they_are_and_a_better_epoch_is_told(store: CheckpointStore) -> None:
    found = find(LAST, store)
    assert found.state == {}
    assert found.validated == ValidatedWeights(epoch=4, metrics={"bbox_mAP": 0.4})
    assert [warning.reason for warning in found.warnings] == ["BestWasBetter"]


def test_nothing_is_read_where_the_last_weights_are_the_best(store: CheckpointStore) -> None:
    found = find(BEST, store, value=0.6)
    assert (found.state, found.validated.epoch, found.warnings) == ({}, 4, [])


def test_a_best_checkpoint_that_is_damaged_is_passed_over_for_the_next_best(
    store: CheckpointStore, storage: Refusing, caplog: pytest.LogCaptureFixture
) -> None:
    content = storage.objects["epoch_2.pth"]
    storage.objects["epoch_2.pth"] = content[:-1] + b"!"
    found = find(BEST, store)
    assert found.validated.epoch == 3
    assert "epoch_2.pth is corrupt" in caplog.text
    assert [warning.reason for warning in found.warnings] == ["BestWasBetter"]


@pytest.mark.parametrize("error", [Transient("S3 answers 503."), Forbidden("Listing is not allowed.")])
def test_a_store_that_lists_nothing_costs_the_last_weights_only_a_comparison(
    store: CheckpointStore, storage: Refusing, caplog: pytest.LogCaptureFixture, error: WorkerError
) -> None:
    storage.error = error
    found = find(LAST, store)
    assert (found.validated.epoch, found.warnings) == (4, [])
    assert "whether an earlier epoch was better is not known" in caplog.text
    with pytest.raises(type(error)):
        find(BEST, store)
