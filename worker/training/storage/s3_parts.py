"""Uploads a file to S3 in parts, each with its SHA-256, so that the server compares what arrives.

s3transfer sends checksums over TLS as trailers, which several servers other than AWS refuse. Here they are plain
headers, which a server that knows no checksums ignores.
"""

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.utils import ReadFileChunk

from training.storage.base import GivenUp, Wanted

PARALLEL_PARTS = 8
READ_BYTES = 1024 * 1024
# What AWS, SeaweedFS (BadDigest) and MinIO answer to a body that differs from its checksum.
_REFUSED_FOR_ITS_CHECKSUM = ("BadDigest", "XAmzContentChecksumMismatch")


@dataclass(frozen=True, kw_only=True)
class _Part:
    number: int  # counts from 1
    start: int  # in bytes
    size: int


def compares_checksums(client: Any, probe: Mapping[str, str], extra: Mapping[str, str]) -> bool:
    """Whether the server compares an object with the SHA-256 that is sent with it: it must refuse a wrong one.

    A server that stores the checksum as it was sent would vouch for anything. `probe` names the bucket and the key of
    an object that may be written and is deleted; `extra` are the arguments of every write. Raises boto3's errors.
    """
    wrong = _base64(hashlib.sha256(b"something else").digest())
    try:
        client.put_object(**probe, **extra, Body=b"probe", ChecksumSHA256=wrong)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _REFUSED_FOR_ITS_CHECKSUM:
            return True
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (400, 501):
            return False  # it refuses any checksum
        raise
    client.delete_object(**probe)
    return False


def upload_in_parts(
    client: Any,
    path: Path,
    target: Mapping[str, str],
    extra: Mapping[str, str],
    *,
    part_bytes: int,
    wanted: Wanted,
) -> str:
    """Upload the file in parts of `part_bytes`, several at a time. `target` names bucket and key; `extra` are the
    arguments of every write.

    Returns the checksum that the server must have for the object, in S3's form for parts:
    base64(SHA-256 of the parts' SHA-256s)-<number of parts>. Raises GivenUp if `wanted` becomes false before the end,
    OSError if the file cannot be read, and boto3's errors; the server is then told, once, to drop the parts it has.
    """
    parts = _parts(path.stat().st_size, part_bytes)
    digests = [_sha256(path, part) for part in parts]
    created = client.create_multipart_upload(**target, **extra, ChecksumAlgorithm="SHA256")
    upload = {**target, "UploadId": created["UploadId"]}

    def sent(bytes_transferred: int) -> None:  # noqa: ARG001  s3transfer passes it by name
        if not wanted():
            raise GivenUp(f"The upload of {target['Key']} was given up.")

    def put(part: _Part, digest: bytes) -> dict[str, Any]:
        sent(0)
        named = {"PartNumber": part.number, "ChecksumSHA256": _base64(digest)}
        with ReadFileChunk.from_filename(str(path), part.start, part.size, [sent], enable_callbacks=True) as body:
            return {**named, "ETag": client.upload_part(**upload, **named, Body=body)["ETag"]}

    def drop() -> None:
        with suppress(BotoCoreError, ClientError):
            client.abort_multipart_upload(**upload)

    executor = ThreadPoolExecutor(PARALLEL_PARTS, "upload")
    tasks = [executor.submit(put, part, digest) for part, digest in zip(parts, digests, strict=True)]
    try:
        wait(tasks, return_when=FIRST_EXCEPTION)
        stored = [task.result() for task in tasks if task.done()]
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": stored})
    except BaseException as error:
        for task in tasks:
            task.cancel()
        # In the background: a server that does not answer must not delay what follows.
        executor.submit(drop)
        if not wanted():
            raise GivenUp(f"The upload of {target['Key']} was given up.") from error
        raise
    finally:
        executor.shutdown(wait=False)
    return f"{_base64(hashlib.sha256(b''.join(digests)).digest())}-{len(parts)}"


def _parts(size: int, part_bytes: int) -> list[_Part]:
    """An empty file has one part, too."""
    starts = range(0, max(size, 1), part_bytes)
    return [
        _Part(number=number, start=start, size=min(part_bytes, size - start)) for number, start in enumerate(starts, 1)
    ]


def _sha256(path: Path, part: _Part) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(part.start)
        for start in range(0, part.size, READ_BYTES):
            found.update(file.read(min(READ_BYTES, part.size - start)))
    return found.digest()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
