"""S3 storage against a real server, and the commands against one that does not answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from hack.s3.server import READER_KEY, READER_SECRET, S3Server, worker_environment
from tests.support.storage.faulty_s3 import PASS, faulty_s3
from tests.support.train.drawn_dataset import write_dataset
from training.errors import ConfigError, Forbidden, NotFound, Transient
from training.storage.base import GivenUp
from training.storage.files import sha256_file
from training.storage.s3 import MULTIPART_THRESHOLD_BYTES
from training.storage.uri import open_parent, open_storage
from training.storage.verified import upload_verified

pytestmark = pytest.mark.integration

AWKWARD_NAMES = [
    "with space.txt", "quote's \"double\".txt", "semi;colon & more$.txt", "zürich 東京 é.txt", "plus+percent%20#?.txt",
]  # fmt: skip


@pytest.fixture
def bucket(s3_environment: S3Server) -> str:
    return s3_environment.new_bucket()


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_an_awkward_name_survives_every_operation(bucket: str, tmp_path: Path, name: str) -> None:
    storage = open_storage(f"s3://{bucket}/some folder")
    storage.write_bytes(name, b"content")
    assert [found.key for found in storage.list_objects()] == [name]
    assert storage.read_bytes(name) == b"content"
    found = storage.stat(name)
    assert found is not None
    assert found.size_bytes == 7
    storage.download_file(name, tmp_path / "deep" / "file")
    assert (tmp_path / "deep" / "file").read_bytes() == b"content"
    storage.delete(name)
    assert storage.stat(name) is None
    storage.delete(name)


def test_a_listing_of_more_than_one_page_is_complete_and_sorted(bucket: str) -> None:
    storage = open_storage(f"s3://{bucket}/many")
    for index in reversed(range(1005)):
        storage.write_bytes(f"{index:05d}", b"")
    assert [found.key for found in storage.list_objects()] == [f"{index:05d}" for index in range(1005)]
    assert len(list(storage.list_objects("0000"))) == 10


def test_a_large_file_goes_up_and_down_in_parts_and_comes_back_the_same(bucket: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (MULTIPART_THRESHOLD_BYTES // 256 * 2) + b"end")
    storage = open_storage(f"s3://{bucket}")
    storage.upload_file(path, "large")
    storage.download_file("large", tmp_path / "back")
    assert sha256_file(tmp_path / "back") == sha256_file(path)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["back", "large"]


@pytest.mark.parametrize("size", [0, 10, 2 * MULTIPART_THRESHOLD_BYTES + 3])
def test_a_server_that_compares_checksums_spares_the_reading_back(
    bucket: str, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    with faulty_s3(s3_environment.endpoint) as proxy:
        monkeypatch.setenv("AWS_S3_ENDPOINT", proxy.endpoint)
        storage = open_storage(f"s3://{bucket}/some folder")
        assert upload_verified(storage, path, "file", scratch=tmp_path) == sha256_file(path)
        assert "GET" not in {method for method, _ in proxy.seen}
        assert [found.key for found in storage.list_objects()] == ["file"]
    stored = s3_environment.client().get_object(Bucket=bucket, Key="some folder/file")["Body"].read()
    assert stored == path.read_bytes()


def test_what_a_server_that_tells_no_checksums_stored_is_read_back(
    bucket: str, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"weights")
    with faulty_s3(s3_environment.endpoint) as proxy:
        proxy.dropped_header = "x-amz-checksum-sha256"
        monkeypatch.setenv("AWS_S3_ENDPOINT", proxy.endpoint)
        upload_verified(open_storage(f"s3://{bucket}"), path, "file", scratch=tmp_path)
        assert ("GET", f"/{bucket}/file") in proxy.seen


def test_an_upload_that_is_given_up_ends_and_leaves_no_object(
    bucket: str, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2 * MULTIPART_THRESHOLD_BYTES))
    arrived = threading.Event()

    def refuse_the_parts(method: str, _path: str) -> int | str:
        if method == "PUT":
            arrived.set()
        return 503 if method == "PUT" else PASS

    with faulty_s3(s3_environment.endpoint) as proxy:
        monkeypatch.setenv("AWS_S3_ENDPOINT", proxy.endpoint)
        storage = open_storage(f"s3://{bucket}")
        assert storage.upload_checked(path, "whole")
        proxy.fault = refuse_the_parts
        with pytest.raises(GivenUp):
            storage.upload_checked(path, "given-up", wanted=lambda: not arrived.is_set())
        assert [found.key for found in storage.list_objects()] == ["whole"]


@pytest.mark.parametrize("size", [10, MULTIPART_THRESHOLD_BYTES + 1])
def test_every_write_is_encrypted_as_asked(
    bucket: str, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    monkeypatch.setenv("AWS_S3_SSE_TYPE", "AES256")
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    storage = open_storage(f"s3://{bucket}/encrypted")
    storage.upload_file(path, "file")
    storage.write_bytes("bytes", b"12345")
    assert storage.upload_checked(path, "checked")
    client = s3_environment.client()
    for key in ("encrypted/file", "encrypted/bytes", "encrypted/checked"):
        assert client.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"] == "AES256"
    storage.download_file("file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == bytes(size)


def test_a_kms_key_is_sent_with_every_write(
    bucket: str, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_S3_SSE_TYPE", "aws:kms")
    monkeypatch.setenv("AWS_S3_SSE_KMS_KEY_ID", "team-key")
    open_storage(f"s3://{bucket}").write_bytes("bytes", b"12345")
    answer = s3_environment.client().head_object(Bucket=bucket, Key="bytes")
    assert answer["ServerSideEncryption"] == "aws:kms"
    assert answer["SSEKMSKeyId"] == "team-key"


def test_a_wrong_secret_is_forbidden_and_not_shown(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    with pytest.raises(Forbidden, match="AWS_SECRET_ACCESS_KEY") as caught:
        list(open_storage(f"s3://{bucket}").list_objects())
    assert "a-wrong-secret" not in str(caught.value)


def test_a_key_that_may_only_read_cannot_write(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READER_SECRET)
    storage = open_storage(f"s3://{bucket}/models")
    assert list(storage.list_objects()) == []
    with pytest.raises(Forbidden, match=f"Cannot write s3://{bucket}/models"):
        storage.check_writable()


def test_a_missing_bucket_and_a_missing_object_are_not_found(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="s3://no-such-bucket/pdfs"):
        list(open_storage("s3://no-such-bucket").list_objects("pdfs"))
    storage = open_storage(f"s3://{bucket}")
    with pytest.raises(NotFound, match="missing"):
        storage.read_bytes("missing")
    with pytest.raises(NotFound, match="missing"):
        storage.download_file("missing", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_be_reached_is_transient(
    s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint)
    with pytest.raises(Transient, match=endpoint):
        open_storage("s3://bucket").read_bytes("key")


def test_check_writable_leaves_nothing_behind(bucket: str) -> None:
    storage = open_storage(f"s3://{bucket}/models")
    storage.check_writable()
    assert list(storage.list_objects()) == []


def test_a_storage_that_is_opened_beside_another_has_its_own_bucket_and_prefix(
    s3_environment: S3Server, bucket: str, tmp_path: Path
) -> None:
    source = open_storage(f"s3://{bucket}/sources")
    target = open_storage(f"s3://{s3_environment.new_bucket()}/datasets", beside=source)
    target.write_bytes("key", b"content")
    assert [found.key for found in target.list_objects()] == ["key"]
    assert list(source.list_objects()) == []
    assert open_storage(tmp_path, beside=source).uri() == str(tmp_path)


def test_the_parent_of_an_object_is_opened_with_its_key(bucket: str) -> None:
    storage, key = open_parent(f"s3://{bucket}/models/best model.pth")
    storage.write_bytes(key, b"weights")
    assert storage.uri(key) == f"s3://{bucket}/models/best model.pth"
    assert open_storage(f"s3://{bucket}").read_bytes("models/best model.pth") == b"weights"
    with pytest.raises(ConfigError):
        open_parent(f"s3://{bucket}")


# -------------------------------------------------------------------------------------------------- a server that hangs


@dataclass
class HangingServer:
    """Answers as S3 does, but never for the objects of `objects` whose content is None."""

    endpoint: str = ""
    objects: dict[str, bytes | None] = field(default_factory=dict)  # by bucket/key
    hangs: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def hanging_server() -> Iterator[HangingServer]:
    state = HangingServer()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            key, query = url.path.lstrip("/"), parse_qs(url.query)
            if "list-type" in query:
                keys = [name.partition("/")[2] for name in state.objects]
                found = "".join(
                    f"<Contents><Key>{name}</Key><Size>9</Size></Contents>"
                    for name in keys
                    if name.startswith(query["prefix"][0])
                )
                body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()
            elif key not in state.objects:
                self._answer(404, b"")
                return
            else:
                content = state.objects[key]
                if content is None:
                    state.hangs.set()
                    over.wait()
                    return
                body = content
            self._answer(200, body)

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(200, b"")

        def do_DELETE(self) -> None:
            self._answer(204, b"")

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    over.set()
    server.shutdown()
    thread.join()
    server.server_close()


PREPROCESS = ["training.preprocess", "--s3_bucket", "bucket", "--s3_source_folder", "in", "--s3_target_folder", "out"]
TRAIN = ["training.train", "s3://bucket/ttv", "work", "--model_output", "model.pth"]


def end_while_it_hangs(command: list[str], endpoint: str, hangs: threading.Event, folder: Path) -> None:
    """Sends SIGTERM once the server hangs; the command must end within a pod's grace period, with its last word."""
    environment = {**worker_environment(endpoint), "TRAINING_TERMINATION_LOG": str(folder / "termination-log")}
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env={**os.environ, **environment}, stderr=errors
        )
        try:
            assert hangs.wait(30)
            process.send_signal(signal.SIGTERM)
            code = process.wait(15)
        finally:
            process.kill()
            process.wait()
    assert code == 143, (folder / "errors").read_text()
    assert json.loads((folder / "termination-log").read_bytes())["exitCode"] == 143


@pytest.mark.parametrize("command", [PREPROCESS, TRAIN], ids=["preprocess", "train"])
def test_sigterm_ends_a_command_whose_first_request_is_never_answered(command: list[str], tmp_path: Path) -> None:
    hangs = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            accepted.append(server.accept()[0])
            hangs.set()

        threading.Thread(target=accept, daemon=True).start()
        end_while_it_hangs(command, f"http://127.0.0.1:{server.getsockname()[1]}", hangs, tmp_path)
        for connection in accepted:
            connection.close()


def test_sigterm_ends_preprocess_while_its_downloads_hang(hanging_server: HangingServer, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        hanging_server.objects |= {f"bucket/in/pdfs/{name}.pdf": None, f"bucket/in/json/{name}.json": None}
    end_while_it_hangs(PREPROCESS, hanging_server.endpoint, hanging_server.hangs, tmp_path)


def test_sigterm_ends_a_training_while_its_dataset_is_downloaded(hanging_server: HangingServer, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "ttv", pages={"train": 1, "val": 1, "test": 1})
    files = [path.relative_to(tmp_path).as_posix() for path in folder.rglob("*") if path.is_file()]
    hanging_server.objects |= {f"bucket/{path}": None for path in files}
    hanging_server.objects["bucket/ttv/manifest.json"] = (folder / "manifest.json").read_bytes()
    end_while_it_hangs(TRAIN, hanging_server.endpoint, hanging_server.hangs, tmp_path)
