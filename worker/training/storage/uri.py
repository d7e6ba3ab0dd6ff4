"""Opens a Storage on a local folder or on S3. Both behave alike: what works on a laptop works in a pod.

Keys are relative to the storage's root and use `/`. Every method raises the typed errors of `training.errors` only:
NotFound, Forbidden, Transient, ConfigError. A key that would leave the root (`../x`, `/x`) is refused with ConfigError.
"""

from pathlib import Path

from training.errors import ConfigError
from training.storage.base import Storage
from training.storage.local import LocalStorage

S3_SCHEME = "s3://"


def open_storage(uri: str | Path, *, beside: Storage | None = None) -> Storage:
    """Opens a storage on `s3://bucket/prefix` or on a local folder, which need not exist yet.

    If both are in S3, it shares the connections of the storage `beside`: to set up a client takes a tenth of a second.
    Raises ConfigError for another scheme or an address without a bucket.
    """
    text = str(uri)
    if text.startswith(S3_SCHEME):
        from training.storage.s3 import S3Storage  # noqa: PLC0415 - boto3 takes long to import

        bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
        if isinstance(beside, S3Storage):
            return beside.elsewhere(bucket, prefix.strip("/"))
        return S3Storage(bucket, prefix.strip("/"))
    if "://" in text:
        raise ConfigError(f"{text} is no supported address; write s3://bucket/path or a local path.")
    if not text:
        raise ConfigError("An address is empty; write s3://bucket/path or a local path.")
    return LocalStorage(Path(text))


def open_parent(uri: str | Path) -> tuple[Storage, str]:
    """Opens the storage of the folder that holds the object `uri`; returns it and the object's key in it.

    `s3://bucket/models/m.pth` -> (the storage of `s3://bucket/models`, "m.pth").

    Raises ConfigError if `uri` names only a folder or a bucket.
    """
    text = str(uri)
    folder, slash, name = text.rpartition("/")
    if not name or (text.startswith(S3_SCHEME) and folder + slash == S3_SCHEME):
        raise ConfigError(f"{text!r} names no file; write s3://bucket/path/file or a local path.")
    return open_storage(folder or (slash or ".")), name
