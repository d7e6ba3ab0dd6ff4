"""S3 as a Storage. The only module that imports boto3; opened by `training.storage.uri.open_storage`.

Configuration comes from the environment (docs/architecture.md, "What a worker pod gets"). An empty variable counts as
absent; otherwise an empty AWS_ACCESS_KEY_ID would override the credentials of the pod's role.
"""

import os
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header
from s3transfer.exceptions import RetriesExceededError as TransferRetriesExceeded
from s3transfer.exceptions import S3DownloadFailedError, S3UploadFailedError

from training.errors import ConfigError, Transient
from training.storage.base import GivenUp, StoredObject, Wanted, always, check_key
from training.storage.content_type import written_as
from training.storage.files import atomic_path, local_errors
from training.storage.s3_errors import Place, typed_error
from training.storage.s3_parts import compares_checksums, upload_in_parts
from training.storage.setting_names import setting_names

MEBIBYTE = 1024 * 1024
MULTIPART_THRESHOLD_BYTES = 16 * MEBIBYTE
MAX_CONNECTIONS = 32  # more gain nothing: boto3 tops out at some 300 small uploads a second in a process
USER_AGENT = "trainingrun-worker"  # in the server's log
BODY_ATTEMPTS = 3  # botocore retries requests, but not a body that breaks off while it is read
_Result = TypeVar("_Result")
_FAILURES = (
    BotoCoreError,
    ClientError,
    TransferRetriesExceeded,
    S3UploadFailedError,
    S3DownloadFailedError,
    ValueError,
)


@dataclass(frozen=True)
class S3Settings:
    """The S3 settings of the environment. None means AWS's own default."""

    endpoint: str | None
    region: str | None
    encryption: dict[str, str]  # the arguments that every write carries

    @classmethod
    def from_env(cls) -> "S3Settings":
        """Reads AWS_S3_ENDPOINT, AWS_REGION, AWS_S3_SSE_TYPE, AWS_S3_SSE_KMS_KEY_ID. Raises ConfigError."""
        names = setting_names()
        endpoint = os.environ.get("AWS_S3_ENDPOINT") or None
        if endpoint and "@" in endpoint:
            raise ConfigError(f"{names.endpoint} holds credentials; give them as {names.credentials}.")
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"{names.endpoint} is {endpoint!r}; write it as a URL such as https://s3.example.com.")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
        return cls(endpoint, region, _encryption_from_env())


def _encryption_from_env() -> dict[str, str]:
    names = setting_names()
    kind = os.environ.get("AWS_S3_SSE_TYPE") or ""
    key_id = os.environ.get("AWS_S3_SSE_KMS_KEY_ID") or ""
    if kind not in ("", "AES256", "aws:kms"):
        raise ConfigError(f"{names.sse_type} is {kind!r}; write AES256 or aws:kms, or leave it out.")
    if key_id and kind != "aws:kms":
        raise ConfigError(f"{names.kms_key} is set, which needs aws:kms as {names.sse_type}; set both or none.")
    if not kind:
        return {}
    return {"ServerSideEncryption": kind, **({"SSEKMSKeyId": key_id} if key_id else {})}


def make_client(settings: S3Settings, *, signature: str | None = None) -> Any:
    """A boto3 S3 client on the default credential chain; `signature` is a version for boto3, which knows best if None.

    Raises ConfigError for settings that boto3 refuses.
    """
    names = setting_names()
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]  # boto3 reads the environment itself and takes "" for a value in some variables
    _check_authorities()
    options: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 5},
        "connect_timeout": 10,
        "read_timeout": 60,
        "max_pool_connections": MAX_CONNECTIONS,
        "signature_version": signature,
        # boto3 puts its own together for each request, which is an eighth of what a small upload costs.
        "user_agent": USER_AGENT,
    }
    if settings.endpoint:
        # Servers other than AWS seldom have a DNS name per bucket, and several break on the checksum headers and
        # trailers that boto3 sends and expects by default. Signed payloads carry a SHA-256 of the body instead, which
        # SigV4 makes every server check; what is read back is compared with the manifests' SHA-256.
        options["s3"] = {"addressing_style": "path", "payload_signing_enabled": True}
        if "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
            options["request_checksum_calculation"] = "when_required"
        if "AWS_RESPONSE_CHECKSUM_VALIDATION" not in os.environ:
            options["response_checksum_validation"] = "when_required"
    try:
        client = boto3.session.Session().client(
            "s3", endpoint_url=settings.endpoint, region_name=settings.region or "us-east-1", config=Config(**options)
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3 cannot be used ({error}); check {names.endpoint} and {names.region}.") from error
    # `Expect: 100-continue` costs each upload a round trip and gains nothing: bodies are small or sent in parts.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


def _check_authorities() -> None:
    """boto3 would find out with its first request, and call it a failure of the connection. Raises ConfigError."""
    path = os.environ.get("AWS_CA_BUNDLE")
    if not path or Path(path).is_dir():  # as OpenSSL takes one, too
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        what = f"The certificates of {setting_names().ca_bundle} cannot be read"
        raise ConfigError(f"{what} ({path}: {error}); they must be a file in PEM format.") from error


class S3Storage:
    """A bucket's objects below a prefix, as a Storage."""

    def __init__(
        self, bucket: str, prefix: str = "", *, settings: S3Settings | None = None, client: Any = None
    ) -> None:
        if not bucket:
            raise ConfigError("The S3 address names no bucket; write s3://bucket/path.")
        if prefix:
            check_key(prefix)
        self.bucket = bucket
        self.prefix = prefix
        self._settings = settings or S3Settings.from_env()
        self._client = client or make_client(self._settings)
        self._transfer = TransferConfig(
            multipart_threshold=MULTIPART_THRESHOLD_BYTES,
            multipart_chunksize=MULTIPART_THRESHOLD_BYTES,
            max_concurrency=8,
        )
        # One large file at a time bounds memory; its parts use several threads already.
        self._large_file = threading.Lock()
        self._signing_client: Any = None  # made when it is needed
        self._compares_checksums: bool | None = None  # None: not known yet

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the client: a copy in another process makes its own."""
        return partial(S3Storage, settings=self._settings), (self.bucket, self.prefix)

    def elsewhere(self, bucket: str, prefix: str) -> "S3Storage":
        """Another place of the same server, over the same connections."""
        return S3Storage(bucket, prefix, settings=self._settings, client=self._client)

    def uri(self, key: str = "") -> str:
        path = "/".join(part for part in (self.prefix, key) if part)
        return f"s3://{self.bucket}/{path}" if path else f"s3://{self.bucket}"

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        root = f"{self.prefix}/" if self.prefix else ""
        token: dict[str, str] = {}
        while True:
            arguments = {"Bucket": self.bucket, "Prefix": root + prefix, **token}
            page = self._call("list", prefix, partial(self._client.list_objects_v2, **arguments))
            for item in page.get("Contents", []):
                key = item["Key"].removeprefix(root)
                if key and not key.endswith("/"):  # consoles make empty objects that stand for folders
                    yield StoredObject(key, item["Size"], item.get("ETag", ""))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, key: str) -> StoredObject | None:
        name = self._name(key)

        def head() -> StoredObject | None:
            try:
                answer = self._client.head_object(Bucket=self.bucket, Key=name)
                return StoredObject(key, answer["ContentLength"], answer.get("ETag", ""))
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    return None
                raise

        return self._call("read", key, head)

    def read_bytes(self, key: str) -> bytes:
        name = self._name(key)

        def get() -> bytes:
            data: bytes = self._client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
            return data

        return self._call("read", key, get, attempts=BODY_ATTEMPTS)

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:
        name = self._name(key)

        def arrived(_bytes: int) -> None:
            if not wanted():
                raise GivenUp(f"The download of {self.uri(key)} was given up.")

        def get() -> None:
            with local_errors(path), atomic_path(path) as temporary:
                response = self._client.get_object(Bucket=self.bucket, Key=name)
                with closing(response["Body"]) as body, temporary.open("wb") as file:
                    if response["ContentLength"] <= MULTIPART_THRESHOLD_BYTES:
                        for chunk in body.iter_chunks(MEBIBYTE):
                            arrived(len(chunk))
                            file.write(chunk)
                        return
                with self._large_file, temporary.open("wb") as file:
                    self._client.download_fileobj(self.bucket, name, file, Config=self._transfer, Callback=arrived)

        self._call("read", key, get, attempts=BODY_ATTEMPTS)

    def write_bytes(self, key: str, data: bytes) -> None:
        name = self._name(key)
        arguments = {"Bucket": self.bucket, "Key": name, "Body": data, **self._written_with(key)}
        self._call("write", key, partial(self._client.put_object, **arguments))

    def upload_file(self, path: Path, key: str) -> None:
        with local_errors(path):
            size_bytes = path.stat().st_size
            if size_bytes <= MULTIPART_THRESHOLD_BYTES:
                # One PUT: the transfer manager costs more than the request for small files.
                self.write_bytes(key, path.read_bytes())
                return
        with self._large_file:
            self._upload_large(path, key, wanted=always)

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:
        if self._compares_checksums is None:
            probe = self._probe()
            target = {"Bucket": self.bucket, "Key": self._name(probe)}
            compares = partial(compares_checksums, self._client, target, self._written_with(probe))
            self._compares_checksums = self._call("write", probe, compares)
        if not self._compares_checksums:
            # Without the lock, which an upload that was given up may hold until its connection ends.
            self._upload_large(path, key, wanted=wanted)
            return False
        target = {"Bucket": self.bucket, "Key": self._name(key)}

        def put() -> str:
            with local_errors(path):
                return upload_in_parts(
                    self._client,
                    path,
                    target,
                    self._written_with(key),
                    part_bytes=MULTIPART_THRESHOLD_BYTES,
                    wanted=wanted,
                )

        checksum = self._call("write", key, put)
        answer = self._call("read", key, partial(self._client.head_object, **target, ChecksumMode="ENABLED"))
        return bool(answer.get("ChecksumSHA256") == checksum)

    def _upload_large(self, path: Path, key: str, *, wanted: Wanted) -> None:
        name = self._name(key)

        def sent(_bytes: int) -> None:
            if not wanted():
                raise GivenUp(f"The upload of {self.uri(key)} was given up.")

        def put() -> None:
            with local_errors(path), path.open("rb") as file:
                extra = self._written_with(key)
                self._client.upload_fileobj(
                    file, self.bucket, name, ExtraArgs=extra, Config=self._transfer, Callback=sent
                )

        self._call("write", key, put)

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        target = {"Bucket": self.bucket, "Key": self._name(key)}
        # boto3 still presigns in version 2 in some regions, which opens no object that KMS has encrypted.
        self._signing_client = self._signing_client or make_client(self._settings, signature="s3v4")
        sign = partial(self._signing_client.generate_presigned_url, "get_object", Params=target, ExpiresIn=expires_s)
        url: str = self._call("read", key, sign)
        return url

    def copy(self, key: str, target_key: str) -> None:
        arguments = {
            "Bucket": self.bucket,
            "Key": self._name(target_key),
            "CopySource": {"Bucket": self.bucket, "Key": self._name(key)},
            **self._settings.encryption,
        }
        self._call("write", target_key, partial(self._client.copy_object, **arguments))

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._call("delete", key, partial(self._client.delete_object, Bucket=self.bucket, Key=name))

    def check_writable(self) -> None:
        probe = self._probe()
        self.write_bytes(probe, b"")
        self.delete(probe)

    def _written_with(self, key: str) -> dict[str, str]:
        """What a write says of the object, and its encryption. A copy keeps what its source was written with."""
        return {**written_as(key), **self._settings.encryption}

    def _probe(self) -> str:
        """The key of an object that only tries something out."""
        return f".write-probe-{secrets.token_hex(8)}"

    def _name(self, key: str) -> str:
        check_key(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    def _call(self, verb: str, key: str, request: Callable[[], _Result], *, attempts: int = 1) -> _Result:
        """Runs a request, up to `attempts` times if errors are transient, and turns boto3's errors into typed ones."""
        place = Place(self.bucket, "/".join(part for part in (self.prefix, key) if part), self._settings.endpoint)
        for attempt in range(1, attempts + 1):
            try:
                return request()
            except _FAILURES as error:
                typed = typed_error(error, verb, place)
                if attempt == attempts or not isinstance(typed, Transient):
                    raise typed from error
        raise AssertionError("unreachable")
