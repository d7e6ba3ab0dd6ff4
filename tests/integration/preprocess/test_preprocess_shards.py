"""One corpus prepared by several processes, as the pods of an Indexed Job do it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hack.documents.corpus import draw_corpus
from hack.documents.faults import draw_faults
from hack.s3.server import S3Server
from tests.support.preprocess.command import run_preprocess, tree, upload
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

SHARDS = 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long and short documents, with each fault beside them."""
    folder = tmp_path_factory.mktemp("sharded")
    draw_corpus(folder, documents=14, seed=6)
    draw_corpus(folder / "long", documents=1, seed=7, pages=50)
    for kind in ("pdfs", "json"):
        [path] = (folder / "long" / kind).iterdir()
        path.rename(folder / kind / f"long{path.suffix}")
        (folder / "long" / kind).rmdir()
    (folder / "long").rmdir()
    draw_faults(folder)
    for path in folder.rglob("timeout*"):  # its time is another test's
        path.unlink()
    return folder


def options_for(bucket: str) -> list[str]:
    folders = ["--s3_bucket", bucket, "--s3_source_folder", "source", "--s3_target_folder", "out"]
    return [*folders, "--max_failed_documents", "90%"]


class Pod:
    """A process that does one shard."""

    def __init__(self, index: int, bucket: str, server: S3Server, folder: Path) -> None:
        self._log = folder / f"termination-{index}-{time.monotonic_ns()}.json"
        command = [sys.executable, "-m", "training.preprocess", *options_for(bucket), "--shards", str(SHARDS)]
        environment = {
            **os.environ,
            **server.environment,
            "JOB_COMPLETION_INDEX": str(index),
            "TRAINING_TERMINATION_LOG": str(self._log),
        }
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)

    def message(self) -> dict[str, Any]:
        output, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, output
        message: dict[str, Any] = json.loads(self._log.read_text())
        return message


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of the corpus."""
    out = tmp_path_factory.mktemp("whole")
    code, output, _ = run_preprocess("--source", corpus, "--working_dir", out, "--max_failed_documents", "90%")
    assert code == 0, output
    return tree(open_storage(out), "")


def test_four_shards_give_the_bytes_of_one_process_and_a_killed_one_is_done_again_alone(
    corpus: Path, whole: dict[str, bytes], s3_environment: S3Server, tmp_path: Path
) -> None:
    bucket = s3_environment.new_bucket()
    upload(corpus, open_storage(f"s3://{bucket}/source"))
    pods = [Pod(index, bucket, s3_environment, tmp_path) for index in range(SHARDS)]
    time.sleep(2.5)
    pods[2].kill()
    messages = [pod.message() for index, pod in enumerate(pods) if index != 2]
    assert [message["shard"]["index"] for message in messages] == [0, 1, 3]
    assert not any("dataset" in message for message in messages)
    assert open_storage(f"s3://{bucket}/out").stat("ttv/manifest.json") is None

    last = Pod(2, bucket, s3_environment, tmp_path).message()
    assert last["dataset"]["cacheHit"] is False
    assert last["dataset"]["report"] == f"s3://{bucket}/out/report.html"
    assert tree(open_storage(f"s3://{bucket}/out"), "") == whole

    again = [Pod(index, bucket, s3_environment, tmp_path).message() for index in range(SHARDS)]
    assert again[-1]["dataset"] == {**last["dataset"], "cacheHit": True}
    assert tree(open_storage(f"s3://{bucket}/out"), "") == whole


def test_shards_that_end_at_the_same_time_agree(
    corpus: Path, whole: dict[str, bytes], s3_environment: S3Server, tmp_path: Path
) -> None:
    bucket = s3_environment.new_bucket()
    upload(corpus, open_storage(f"s3://{bucket}/source"))
    for index in range(SHARDS):
        Pod(index, bucket, s3_environment, tmp_path).message()
    # All documents are there now: each has only its note to leave, and then looks whether it is the last.
    pods = [Pod(index, bucket, s3_environment, tmp_path) for index in range(SHARDS)]
    assert any("dataset" in message for message in [pod.message() for pod in pods])
    assert tree(open_storage(f"s3://{bucket}/out"), "") == whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shards", "2"], "--shard_index must say"),
        (["--shards", "2", "--shard_index", "2"], "it goes from 0 to 1"),
        (["--shards", "0"], "--shards"),
    ],
)
def test_a_shard_that_does_not_exist_is_a_wrong_command_line(options: list[str], words: str, tmp_path: Path) -> None:
    code, _, message = run_preprocess("--source", "x", "--working_dir", tmp_path, *options)
    assert code == 64
    assert words in message["message"]
