"""The storage's rules on a folder, and S3's answers as typed errors. A real S3 server is in tests/integration."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError
from moto import mock_aws

from training.errors import ConfigError, Forbidden, NotFound, Transient, WorkerError
from training.storage.base import check_key
from training.storage.files import sha256_bytes, sha256_file
from training.storage.local import LocalStorage
from training.storage.s3 import S3Settings, S3Storage
from training.storage.s3_errors import Place, typed_error
from training.storage.uri import open_parent, open_storage


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_S3_ENDPOINT", "AWS_REGION", "AWS_S3_SSE_TYPE", "AWS_S3_SSE_KMS_KEY_ID", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize("key", ["", "/x", "../x", "a/../b", "a//b", "./a", "a/.", "a/", "nul\0"])
def test_a_key_that_could_leave_the_root_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        check_key(key)
    with pytest.raises(ConfigError):
        LocalStorage(tmp_path).write_bytes(key, b"")


@pytest.mark.parametrize("key", ["a", "a b/c'd\"e;f", "..a", "a..", "zürich/東京", ".hidden"])
def test_odd_but_harmless_keys_are_kept(key: str, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write_bytes(key, b"x")
    assert [found.key for found in storage.list_objects()] == [key]
    assert storage.read_bytes(key) == b"x"


def test_a_folder_lists_by_prefix_in_order_and_hides_files_being_written(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    for key in ("b/2", "b/10", "a", "bc"):
        storage.write_bytes(key, b"123")
    (tmp_path / "b" / ".x.part").write_bytes(b"")
    assert [found.key for found in storage.list_objects()] == ["a", "b/10", "b/2", "bc"]
    assert [found.key for found in storage.list_objects("b")] == ["b/10", "b/2", "bc"]
    assert [found.size_bytes for found in storage.list_objects("b/1")] == [3]
    assert list(storage.list_objects("none/")) == []
    assert list(open_storage(tmp_path / "absent").list_objects()) == []


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.write_bytes("file", b"old")
    with pytest.raises(NotFound):
        storage.upload_file(tmp_path / "absent", "file")
    assert storage.read_bytes("file") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_missing_in_a_folder_is_not_found(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert storage.stat("x") is None
    storage.delete("x")
    with pytest.raises(NotFound, match="x does not exist"):
        storage.read_bytes("x")
    with pytest.raises(NotFound):
        storage.download_file("x", tmp_path / "y")


def test_hashes_of_bytes_and_of_a_file_agree(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert sha256_file(tmp_path / "file") == sha256_bytes(b"content")


@pytest.mark.parametrize(
    ("uri", "root", "key"),
    [("m.pth", ".", "m.pth"), ("/m.pth", "/", "m.pth"), ("/a/m.pth", "/a", "m.pth"), ("a/b/m", "a/b", "m")],
)
def test_a_path_is_taken_apart_into_folder_and_key(uri: str, root: str, key: str) -> None:
    storage, found = open_parent(uri)
    assert (storage.uri(), found) == (root, key)


@pytest.mark.parametrize("uri", ["", "gs://bucket/x", "s3://", "https://example.com/x"])
def test_an_address_that_is_no_storage_is_refused(uri: str, clean_environment: None) -> None:
    with pytest.raises(ConfigError):
        open_storage(uri)


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "folder/", "s3://"])
def test_an_address_without_a_file_has_no_parent(uri: str) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        open_parent(uri)


@pytest.mark.parametrize(
    ("environment", "encryption"),
    [
        ({}, {}),
        ({"AWS_S3_SSE_TYPE": "AES256"}, {"ServerSideEncryption": "AES256"}),
        ({"AWS_S3_SSE_TYPE": "aws:kms"}, {"ServerSideEncryption": "aws:kms"}),
        (
            {"AWS_S3_SSE_TYPE": "aws:kms", "AWS_S3_SSE_KMS_KEY_ID": "key"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"},
        ),
    ],
)
def test_encryption_is_read_from_the_environment(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], encryption: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert S3Settings.from_env() == S3Settings(None, None, encryption)


def test_an_endpoint_with_credentials_is_refused_without_printing_them(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for endpoint in ("https://user:hunter2@s3.example.com", "user:hunter2@s3.example.com"):
        monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint)
        with pytest.raises(ConfigError, match="AWS_S3_ENDPOINT holds credentials") as refused:
            S3Settings.from_env()
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_S3_SSE_TYPE": "aes"},
        {"AWS_S3_SSE_TYPE": "AES256", "AWS_S3_SSE_KMS_KEY_ID": "key"},
        {"AWS_S3_SSE_KMS_KEY_ID": "key"},
        {"AWS_S3_ENDPOINT": "s3.example.com"},
    ],
)
def test_contradicting_settings_are_refused(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="AWS_S3_"):
        S3Settings.from_env()


def test_empty_variables_do_not_hide_other_credentials(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = FILE\naws_secret_access_key = secret\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with mock_aws(config={"core": {"mock_credentials": False}}):
        storage = S3Storage("bucket")
        assert storage._client._request_signer._credentials.access_key == "FILE"


def test_an_s3_address_lists_below_its_prefix_without_folder_markers(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        for key in ("folder/", "folder/a/", "folder/a/1", "folder/b", "folderly"):
            client.put_object(Bucket="bucket", Key=key, Body=b"12")
        storage = open_storage("s3://bucket/folder/")
        assert [found.key for found in storage.list_objects()] == ["a/1", "b"]
        assert storage.uri("b") == "s3://bucket/folder/b"
        assert storage.uri() == "s3://bucket/folder"


def answer(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutObject")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("NoSuchBucket", 404), NotFound),
        (answer("NoSuchKey", 404), NotFound),
        (answer("404", 404), NotFound),
        (answer("AccessDenied", 403), Forbidden),
        (answer("403", 403), Forbidden),
        (answer("SignatureDoesNotMatch", 403), Forbidden),
        (answer("InvalidAccessKeyId", 403), Forbidden),
        (answer("ExpiredToken", 400), Forbidden),
        (answer("PermanentRedirect", 301), ConfigError),
        (answer("KMS.NotFoundException", 400), ConfigError),
        (answer("NotImplemented", 501), ConfigError),
        (answer("MalformedXML", 400), ConfigError),
        (answer("SlowDown", 503), Transient),
        (answer("InternalError", 500), Transient),
        (answer("TooManyRequests", 429), Transient),
        (answer("RequestTimeout", 400), Transient),
        (answer("IncompleteBody", 400), Transient),
        (answer("OperationAborted", 409), Transient),
        (boto.NoCredentialsError(), Forbidden),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), Forbidden),
        (boto.EndpointConnectionError(endpoint_url="http://x"), Transient),
        (boto.ReadTimeoutError(endpoint_url="http://x"), Transient),
        (boto.SSLError(endpoint_url="https://x", error="CERTIFICATE_VERIFY_FAILED"), ConfigError),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Transient),
        (boto.ParamValidationError(report="Invalid bucket name"), ConfigError),
        (boto.ProfileNotFound(profile="x"), ConfigError),
    ],
)
def test_every_answer_of_s3_has_its_type_and_names_the_place(error: Exception, kind: type[WorkerError]) -> None:
    typed = typed_error(error, "write", Place("bucket", "folder/key", "http://s3.example"))
    assert type(typed) is kind
    assert str(typed).startswith("Cannot write s3://bucket/folder/key at http://s3.example")
