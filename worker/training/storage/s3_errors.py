"""Turns boto3's exceptions into typed errors, whose messages name the place and the next step, never a secret."""

from dataclasses import asdict, dataclass

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from training.errors import ConfigError, Forbidden, NotFound, Transient, WorkerError
from training.storage.setting_names import setting_names


@dataclass(frozen=True)
class Place:
    """The object and endpoint of a request, for messages."""

    bucket: str
    key: str
    endpoint: str | None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key} at {self.endpoint or 'AWS'}"


_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.UnauthorizedSSOTokenError,
)
_MISCONFIGURED = (
    boto.ParamValidationError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.InvalidRegionError,
    boto.NoRegionError,
    boto.UnknownEndpointError,
)
# What follows a code; settings stand in braces, by their attributes of SettingNames.
_CODES: dict[str, tuple[type[WorkerError], str]] = {
    "NoSuchBucket": (NotFound, "the bucket does not exist; check its name, the endpoint and the region"),
    "NoSuchKey": (NotFound, "the object does not exist; check the path"),
    "SignatureDoesNotMatch": (Forbidden, "the secret key does not fit the access key; check {secret_key}"),
    "InvalidAccessKeyId": (Forbidden, "the access key is unknown there; check {access_key}"),
    "ExpiredToken": (Forbidden, "the session token has expired; renew the credentials"),
    "InvalidToken": (Forbidden, "the session token is not valid; renew {session_token} or leave it out"),
    "RequestTimeTooSkewed": (Forbidden, "the clocks differ; set this machine's time"),
    "InvalidBucketName": (ConfigError, "the bucket's name is not valid; check it"),
    "PermanentRedirect": (ConfigError, "the bucket is in another region; set {region}"),
    "AuthorizationHeaderMalformed": (ConfigError, "the bucket is in another region; set {region}"),
    "NotImplemented": (ConfigError, "the server lacks this feature; try without {sse_type}"),
    "RequestTimeout": (Transient, "the server did not answer in time; try again later"),
    "SlowDown": (Transient, "the server asks for fewer requests; try again later"),
    "NoSuchUpload": (Transient, "the upload was dropped by the server; try again"),
    "BadDigest": (Transient, "the data was damaged on its way; try again"),
    "IncompleteBody": (Transient, "the connection broke off; try again"),
    "OperationAborted": (Transient, "another request for it was under way; try again"),
    "XAmzContentSHA256Mismatch": (Transient, "the data was damaged on its way; try again"),
}


def typed_error(error: Exception, verb: str, place: Place) -> WorkerError:
    """The typed error for what boto3 raised while it tried to `verb` (read, write, list, delete) at `place`."""
    if isinstance(error, ClientError):
        return _from_answer(error, verb, place)
    names = setting_names()
    what = f"Cannot {verb} {place}"
    if isinstance(error, _NO_CREDENTIALS):
        return Forbidden(f"{what}: no credentials were found; set {names.credentials}, or use a role.")
    if isinstance(error, (*_MISCONFIGURED, ValueError)):
        return ConfigError(f"{what}: {error}; check the bucket, {names.endpoint} and {names.region}.")
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ConfigError(f"{what}: the server's certificate is not trusted; name its CA with {names.ca_bundle}.")
    return Transient(f"{what}: {type(error).__name__}: {error}; check the endpoint and try again.")


def _from_answer(error: ClientError, verb: str, place: Place) -> WorkerError:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    names = setting_names()
    what = f"Cannot {verb} {place} ({code or status})"
    if code in _CODES:
        kind, advice = _CODES[code]
        return kind(f"{what}: {advice.format_map(asdict(names))}.")
    if code.startswith("KMS."):
        return ConfigError(f"{what}: the KMS key cannot be used; check {names.kms_key} and its policy.")
    if status in (401, 403):
        return Forbidden(f"{what}: access is denied; check the credentials and their permission to {verb} there.")
    if status == 404:
        return NotFound(f"{what}: it does not exist; check the bucket and the path.")
    if status == 429 or status >= 500 or "Throttl" in code:
        return Transient(f"{what}: the server failed or is overloaded; try again later.")
    return ConfigError(f"{what}: {answer.get('Message', 'refused')}; check the bucket, endpoint and region.")
