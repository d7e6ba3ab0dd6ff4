"""What S3 is told of an object beside its content. moto answers as AWS does: binary/octet-stream where nobody said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from training.storage.content_type import content_type, written_as
from training.storage.s3 import MULTIPART_THRESHOLD_BYTES
from training.storage.uri import open_storage

HTML = "text/html; charset=utf-8"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 of AWS with one bucket."""
    for name in ("AWS_S3_ENDPOINT", "AWS_REGION", "AWS_S3_SSE_TYPE", "AWS_S3_SSE_KMS_KEY_ID", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


def stored_type(client: Any, key: str) -> str:
    answer: str = client.head_object(Bucket="bucket", Key=key)["ContentType"]
    return answer


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("datasets/demo/report.html", HTML),
        ("model.pth.report.html", HTML),
        ("Report.HTML", HTML),
        ("pdfs/report/draw_ann/0.jpg", "image/jpeg"),
        ("ttv/train/images/a_0.png", "image/png"),
        ("chart.svg", "image/svg+xml"),
        ("ttv/manifest.json", "application/json"),
        ("pdfs/report/record.jsonl", "application/x-ndjson"),
        ("pdfs/report.pdf", "application/pdf"),
        ("model.pth.config.py", "text/x-python; charset=utf-8"),
        ("model.pth", "application/octet-stream"),
        ("events.out.tfevents.1700000000.host", "application/octet-stream"),
        ("a.html/file", "application/octet-stream"),
        (".html", "application/octet-stream"),
    ],
)
def test_an_objects_type_is_told_by_its_suffix(key: str, expected: str) -> None:
    assert content_type(key) == expected


@pytest.mark.parametrize(
    ("key", "inline"),
    [
        ("report.html", True),
        ("pdfs/a/draw_ann/0.JPG", True),
        ("ttv/train/images/a_0.png", True),
        ("pdfs/a.pdf", True),
        ("ttv/manifest.json", False),
        ("model.pth", False),
    ],
)
def test_what_people_open_is_shown_in_place(key: str, inline: bool) -> None:
    expected = {"ContentType": content_type(key), **({"ContentDisposition": "inline"} if inline else {})}
    assert written_as(key) == expected


def test_bytes_are_written_with_their_type(client: Any) -> None:
    open_storage("s3://bucket/run").write_bytes("report.html", b"<p>")
    assert stored_type(client, "run/report.html") == HTML


@pytest.mark.parametrize("size", [3, MULTIPART_THRESHOLD_BYTES + 1])
def test_a_file_is_written_with_the_type_of_its_key(client: Any, tmp_path: Path, size: int) -> None:
    path = tmp_path / "temporary.part"
    path.write_bytes(bytes(size))
    open_storage("s3://bucket").upload_file(path, "report.html")
    assert stored_type(client, "report.html") == HTML


def test_a_copy_keeps_the_type(client: Any) -> None:
    storage = open_storage("s3://bucket")
    storage.write_bytes("train/page.jpg", b"1")
    storage.copy("train/page.jpg", "val/page.jpg")
    assert stored_type(client, "val/page.jpg") == "image/jpeg"


def test_the_type_stands_beside_the_encryption(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_SSE_TYPE", "AES256")
    open_storage("s3://bucket").write_bytes("report.html", b"<p>")
    assert client.head_object(Bucket="bucket", Key="report.html")["ServerSideEncryption"] == "AES256"
    assert stored_type(client, "report.html") == HTML
