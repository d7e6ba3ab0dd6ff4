"""What an S3 server can do to a training, and what a full disk can: its exit code, its sentence, and nothing lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from hack.s3.server import S3Server, worker_environment
from tests.support.storage.faulty_s3 import BREAK, PASS, Fault, FaultyS3, faulty_s3
from tests.support.train.place import ITERATIONS_PER_EPOCH, Place, differing
from tests.support.train.sigterm import sigterm_in_iteration
from training.storage.base import Storage
from training.storage.uri import open_storage
from training.train import command as train

pytestmark = pytest.mark.integration


class Remote(NamedTuple):
    """A training whose checkpoints and model go to S3, over a proxy."""

    place: Place
    proxy: FaultyS3
    storage: Storage  # of the bucket
    bucket: str

    def train(self, *more: str, epochs: int = 2) -> int:
        outputs = ["--model_output", f"s3://{self.bucket}/model.pth"]
        outputs += ["--checkpoint-output", f"s3://{self.bucket}/checkpoints"]
        return train.main(self.place.arguments(*outputs, *more, epochs=epochs))

    def stored(self) -> list[str]:
        return [item.key for item in self.storage.list_objects()]

    def weights_differ_from(self, other: Place) -> list[str]:
        path = self.place.root / "model" / "model.pth"
        self.storage.download_file("model.pth", path)
        return differing(self.place.weights(), other.weights())


@pytest.fixture
def remote(s3_environment: S3Server, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    bucket = s3_environment.new_bucket()
    with faulty_s3(s3_environment.endpoint) as proxy:
        monkeypatch.setenv("AWS_S3_ENDPOINT", proxy.endpoint)
        yield Remote(place, proxy, open_storage(f"s3://{bucket}"), bucket)


@pytest.mark.parametrize("fault", [503, 403, BREAK])
def test_a_store_that_fails_while_training_costs_nothing_but_its_checkpoints(
    straight: Place, remote: Remote, caplog: pytest.LogCaptureFixture, fault: int | str
) -> None:
    def no_first_epoch(method: str, path: str) -> int | str:
        return fault if method == "PUT" and path.endswith("epoch_1.pth") else PASS

    remote.proxy.fault = no_first_epoch
    assert remote.train() == 0
    assert remote.proxy.failed > 0
    assert "the checkpoint of iteration 3 is not stored yet" in caplog.text
    assert remote.weights_differ_from(straight) == []
    assert [key for key in remote.stored() if key.endswith(".json")] == [
        "checkpoints/epoch_2.json",
        "model.pth.manifest.json",
    ]


def test_an_upload_that_breaks_off_is_tried_again_and_nothing_is_committed_before_it_is_whole(
    straight: Place, remote: Remote
) -> None:
    broken: list[str] = []

    def twice_each(method: str, path: str) -> int | str:
        if method == "PUT" and path.endswith(".pth") and broken.count(path) < 2:
            broken.append(path)
            return BREAK
        return PASS

    remote.proxy.fault = twice_each
    assert remote.train() == 0
    assert len(broken) == 6  # two checkpoints and the model
    assert not [path for method, path in remote.proxy.seen if method == "GET" and path.endswith(".pth")], "read back"
    assert remote.weights_differ_from(straight) == []
    puts = [path.rpartition("/")[2] for method, path in remote.proxy.seen if method == "PUT"]
    assert puts.index("epoch_1.json") > max(index for index, name in enumerate(puts) if name == "epoch_1.pth")


def test_a_model_is_published_although_the_store_is_away_when_the_training_ends(
    straight: Place, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[str] = []

    def away_for_a_while(method: str, path: str) -> int | str:
        if path.endswith("model.pth") and method == "PUT" and len(refused) < 8:
            refused.append(path)
            return 503
        return PASS

    remote.proxy.fault = away_for_a_while
    assert remote.train() == 0
    assert "the model is not published yet" in caplog.text
    assert remote.weights_differ_from(straight) == []


def test_a_stop_gives_up_an_older_checkpoint_that_hangs_and_commits_the_newest(remote: Remote) -> None:
    over = threading.Event()

    def hang_for_the_first(method: str, path: str) -> int | str:
        if method == "PUT" and path.endswith("epoch_1.pth"):
            over.wait()
            return BREAK
        return PASS

    remote.proxy.fault = hang_for_the_first
    try:
        with sigterm_in_iteration(2 * ITERATIONS_PER_EPOCH - 1):
            assert remote.train() == 143
    finally:
        over.set()
    assert f"iteration_{2 * ITERATIONS_PER_EPOCH - 1}.pth continues it" in remote.place.termination()["message"]
    assert [key for key in remote.stored() if key.endswith((".pth", ".json")) and "epoch" in key] == []


def test_a_checkpoint_with_one_changed_byte_in_s3_is_neither_resumed_from_nor_published(
    straight: Place, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    for path in sorted(straight.checkpoints.glob("epoch_*")):
        remote.storage.upload_file(path, f"checkpoints/{path.name}")
    content = bytearray(remote.storage.read_bytes("checkpoints/epoch_2.pth"))
    content[len(content) // 2] ^= 1
    remote.storage.write_bytes("checkpoints/epoch_2.pth", bytes(content))
    assert remote.train("--resume-from", "auto") == 0
    assert "epoch_2.pth is corrupt" in caplog.text
    assert remote.place.termination()["progress"]["resumePoints"][-1]["iteration"] == 2 * ITERATIONS_PER_EPOCH
    assert remote.weights_differ_from(straight) == []
    named = f"s3://{remote.bucket}/damaged/epoch_2.pth"
    remote.storage.write_bytes("damaged/epoch_2.pth", bytes(content))
    remote.storage.write_bytes("damaged/epoch_2.json", (straight.checkpoints / "epoch_2.json").read_bytes())
    assert remote.train("--resume-from", named) == 65
    assert "epoch_2.pth is corrupt" in remote.place.termination()["message"]


def answers(status: int, *methods: str) -> Fault:
    return lambda method, _path: status if method in methods else PASS


def test_what_s3_refuses_at_the_start_ends_the_command_before_anything_is_trained(
    remote: Remote, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases: list[tuple[str, Fault, Sequence[str], int, str]] = [
        (
            "a read-only bucket",
            answers(403, "PUT"),
            (),
            77,
            "access is denied; check the credentials and their permission to write",
        ),
        ("a server that is overloaded", answers(503, "PUT"), (), 75, "try again later"),
        ("no bucket", answers(404, "PUT", "GET", "HEAD"), (), 66, "does not exist"),
        ("no base weights", lambda *_: PASS, ("--load-from", f"s3://{remote.bucket}/base.pth"), 66, "does not exist"),
    ]
    for what, fault, more, code, sentence in cases:
        remote.proxy.fault = fault
        assert remote.train(*more) == code, what
        message = remote.place.termination()
        assert message["exitCode"] == code, what
        assert sentence in message["message"], what
    for name, value in worker_environment(s3_environment.endpoint, secret_key="wrong").items():
        monkeypatch.setenv(name, value)
    assert remote.train() == 77
    assert "check AWS_SECRET_ACCESS_KEY" in remote.place.termination()["message"]
    assert remote.stored() == []


def test_a_disk_without_room_for_checkpoints_is_told_before_anything_is_trained(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(place.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    assert train.main(place.arguments()) == 64
    assert "has 1 MiB free, and checkpoints of" in place.termination()["message"]
    assert not place.checkpoints.exists() or not list(place.checkpoints.iterdir())
