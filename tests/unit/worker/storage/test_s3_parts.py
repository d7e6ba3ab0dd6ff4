"""Uploads in parts with checksums: which servers are believed, what is sent, and how an upload is given up."""

# ruff: noqa: N803  boto3's names

import base64
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from training.storage.base import GivenUp, always
from training.storage.s3_parts import compares_checksums, upload_in_parts

TARGET = {"Bucket": "b", "Key": "m.pth"}
EXTRA = {"ServerSideEncryption": "AES256"}
PART_BYTES = 10


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class Server:
    """A client whose server answers with `error` to writes, or compares nothing."""

    def __init__(self, error: ClientError | None = None) -> None:
        self.error = error
        self.created: dict[str, Any] = {}
        self.parts: dict[int, bytes] = {}
        self.told: dict[int, str] = {}  # the parts' checksums
        self.completed: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.dropped = threading.Event()
        self.lock = threading.Lock()

    def put_object(self, **arguments: Any) -> None:
        assert arguments["ChecksumSHA256"] != checksum(arguments["Body"])
        assert arguments["ServerSideEncryption"] == "AES256"
        if self.error:
            raise self.error

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        assert Bucket == "b"
        self.deleted.append(Key)

    def create_multipart_upload(self, **arguments: Any) -> dict[str, str]:
        self.created = arguments
        return {"UploadId": "u"}

    def upload_part(self, *, PartNumber: int, Body: Any, ChecksumSHA256: str, **named: Any) -> dict[str, str]:
        assert named == {**TARGET, "UploadId": "u"}
        if self.error and PartNumber == 2:
            raise self.error
        content = Body.read()
        with self.lock:
            self.parts[PartNumber], self.told[PartNumber] = content, ChecksumSHA256
        return {"ETag": f"e{PartNumber}"}

    def complete_multipart_upload(self, *, MultipartUpload: dict[str, Any], **_: Any) -> None:
        self.completed = MultipartUpload["Parts"]

    def abort_multipart_upload(self, **named: Any) -> None:
        assert named == {**TARGET, "UploadId": "u"}
        self.dropped.set()
        raise refusal("InternalError", 500)  # nothing can be done about it


@pytest.mark.parametrize(
    ("error", "believed"),
    [
        (refusal("BadDigest", 400), True),
        (refusal("XAmzContentChecksumMismatch", 400), True),
        (refusal("InvalidRequest", 400), False),
        (refusal("NotImplemented", 501), False),
        (None, False),
    ],
)
def test_only_a_server_that_refuses_a_wrong_checksum_is_believed(error: ClientError | None, believed: bool) -> None:
    server = Server(error)
    assert compares_checksums(server, TARGET, EXTRA) is believed
    assert server.deleted == ([] if error else ["m.pth"])


@pytest.mark.parametrize("error", [refusal("SlowDown", 503), refusal("AccessDenied", 403)])
def test_a_server_that_fails_is_not_judged(error: ClientError) -> None:
    with pytest.raises(ClientError):
        compares_checksums(Server(error), TARGET, EXTRA)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 25 * PART_BYTES + 3])
def test_the_parts_are_the_file_and_their_checksums_add_up(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    content = bytes(index % 251 for index in range(size))
    path.write_bytes(content)
    server = Server()
    found = upload_in_parts(server, path, TARGET, EXTRA, part_bytes=PART_BYTES, wanted=always)
    parts = [server.parts[number] for number in sorted(server.parts)]
    assert b"".join(parts) == content
    assert all(len(part) == PART_BYTES for part in parts[:-1])
    assert [server.told[number] for number in sorted(server.told)] == [checksum(part) for part in parts]
    assert [(part["PartNumber"], part["ETag"]) for part in server.completed] == [
        (number, f"e{number}") for number in range(1, len(parts) + 1)
    ]
    assert found == f"{checksum(b''.join(hashlib.sha256(part).digest() for part in parts))}-{len(parts)}"
    assert server.created == {**TARGET, **EXTRA, "ChecksumAlgorithm": "SHA256"}


def test_a_part_that_fails_ends_the_upload_and_the_server_is_told_to_drop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(PART_BYTES * 3))
    server = Server(refusal("AccessDenied", 403))
    with pytest.raises(ClientError):
        upload_in_parts(server, path, TARGET, EXTRA, part_bytes=PART_BYTES, wanted=always)
    assert server.dropped.wait(10)
    assert server.completed == []


def test_an_upload_that_is_wanted_no_longer_sends_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(PART_BYTES * 100))
    server = Server()
    with pytest.raises(GivenUp):
        upload_in_parts(server, path, TARGET, EXTRA, part_bytes=PART_BYTES, wanted=lambda: len(server.parts) < 3)
    assert server.dropped.wait(10)
    assert len(server.parts) < 3 + 8
    assert server.completed == []


def test_a_file_that_is_not_there_begins_no_upload(tmp_path: Path) -> None:
    server = Server()
    with pytest.raises(FileNotFoundError):
        upload_in_parts(server, tmp_path / "absent", TARGET, EXTRA, part_bytes=PART_BYTES, wanted=always)
    assert server.created == {}
