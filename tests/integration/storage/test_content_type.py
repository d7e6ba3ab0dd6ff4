"""The types of objects on a real S3 server, which guesses where nobody said."""

from pathlib import Path

import pytest

from hack.s3.server import S3Server
from training.storage.content_type import content_type
from training.storage.s3 import MULTIPART_THRESHOLD_BYTES
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("size", [3, MULTIPART_THRESHOLD_BYTES + 1])
@pytest.mark.parametrize("key", ["report.html", "model.pth.config.py", "record.jsonl"])
def test_what_is_written_has_the_type_that_was_said_and_not_the_servers_guess(
    s3_environment: S3Server, tmp_path: Path, key: str, size: int
) -> None:
    bucket, client = s3_environment.new_bucket(), s3_environment.client()
    client.put_object(Bucket=bucket, Key=f"guessed/{key}", Body=b"123")
    assert client.head_object(Bucket=bucket, Key=f"guessed/{key}").get("ContentType") != content_type(key)
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    storage = open_storage(f"s3://{bucket}/said")
    storage.upload_file(path, key)
    storage.copy(key, f"copy/{key}")
    for written in (f"said/{key}", f"said/copy/{key}"):
        assert client.head_object(Bucket=bucket, Key=written)["ContentType"] == content_type(key)
