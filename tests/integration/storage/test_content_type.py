"""The types of objects on a real S3 server, which guesses where nobody said."""

from pathlib import Path

import pytest

from hack.s3.server import S3Server
from training.storage.content_type import content_type
from training.storage.s3 import MULTIPART_THRESHOLD_BYTES
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("size", [3, MULTIPART_THRESHOLD_BYTES + 1])
@pytest.mark.parametrize(
    ("key", "disposition"),
    [
        ("report.html", "inline"),
        ("pdfs/a/draw_ann/0.jpg", "inline"),
        ("ttv/train/images/a_0.png", "inline"),
        ("pdfs/a.pdf", "inline"),
        ("model.pth.config.py", None),
        ("record.jsonl", None),
    ],
)
def test_every_upload_and_copy_has_the_type_that_was_said_and_opens_in_place(
    s3_environment: S3Server, tmp_path: Path, key: str, disposition: str | None, size: int
) -> None:
    bucket, client = s3_environment.new_bucket(), s3_environment.client()
    client.put_object(Bucket=bucket, Key=f"guessed/{key}", Body=b"123")
    assert client.head_object(Bucket=bucket, Key=f"guessed/{key}").get("ContentDisposition") is None
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    storage = open_storage(f"s3://{bucket}/said")
    storage.upload_file(path, key)
    storage.upload_checked(path, f"checked/{key}")
    storage.copy(key, f"copy/{key}")
    for written in (f"said/{key}", f"said/checked/{key}", f"said/copy/{key}"):
        head = client.head_object(Bucket=bucket, Key=written)
        assert head["ContentType"] == content_type(key)
        assert head.get("ContentDisposition") == disposition
        # What a browser gets by a presigned link.
        got = client.get_object(Bucket=bucket, Key=written, Range="bytes=0-0")
        assert (got["ContentType"], got.get("ContentDisposition")) == (content_type(key), disposition)


@pytest.mark.parametrize("key", ["report.html", "model.pth.config.py", "record.jsonl"])
def test_the_server_guesses_other_types_where_nobody_says_one(s3_environment: S3Server, key: str) -> None:
    bucket, client = s3_environment.new_bucket(), s3_environment.client()
    client.put_object(Bucket=bucket, Key=key, Body=b"123")
    assert client.head_object(Bucket=bucket, Key=key).get("ContentType") != content_type(key)
