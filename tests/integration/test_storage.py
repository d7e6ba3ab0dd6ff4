"""S3 storage against a real server."""

import socket
from pathlib import Path

import pytest

from tests.integration.s3_fixtures import READER_KEY, READER_SECRET, S3Server
from training.errors import ConfigError, Forbidden, NotFound, Transient
from training.s3 import MULTIPART_THRESHOLD_BYTES
from training.storage import open_parent, open_storage, sha256_file

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
    client = s3_environment.client()
    for key in ("encrypted/file", "encrypted/bytes"):
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


def test_the_parent_of_an_object_is_opened_with_its_key(bucket: str) -> None:
    storage, key = open_parent(f"s3://{bucket}/models/best model.pth")
    storage.write_bytes(key, b"weights")
    assert storage.uri(key) == f"s3://{bucket}/models/best model.pth"
    assert open_storage(f"s3://{bucket}").read_bytes("models/best model.pth") == b"weights"
    with pytest.raises(ConfigError):
        open_parent(f"s3://{bucket}")
