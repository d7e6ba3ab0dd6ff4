"""One interface over a local folder and S3, with equal behaviour: what works on a laptop works in a pod.

Keys are relative to the storage's root and use `/`. Every method raises the typed errors of `training.errors` only:
NotFound, Forbidden, Transient, ConfigError. A key that would leave the root (`../x`, `/x`) is refused with ConfigError.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.errors import ConfigError, Forbidden, NotFound, Transient

S3_SCHEME = "s3://"
PARTIAL_SUFFIX = ".part"  # a file that is being written; never listed


@dataclass(frozen=True)
class StoredObject:
    """An object's key, relative to its storage, and its size in bytes; `version` changes whenever it is written."""

    key: str
    size_bytes: int
    version: str = ""


class Storage(Protocol):
    """A tree of objects below one root. Implementations are safe to use from several threads."""

    def uri(self, key: str = "") -> str:
        """The address of `key` (of the root without one) as people write it: `s3://bucket/prefix/key` or a path."""

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key starts with `prefix`, sorted by key. A missing bucket is NotFound; no match is none."""

    def stat(self, key: str) -> StoredObject | None:
        """The object's key and size, or None where there is none."""

    def read_bytes(self, key: str) -> bytes:
        """A whole, small object."""

    def download_file(self, key: str, path: Path) -> None:
        """Writes the object to `path`, whose folder is made. The file appears complete or not at all."""

    def write_bytes(self, key: str, data: bytes) -> None:
        """Creates or replaces an object; readers see the old or the new one, never a part."""

    def upload_file(self, path: Path, key: str) -> None:
        """Creates or replaces an object from a file, in parts where it is large."""

    def copy(self, key: str, target_key: str) -> None:
        """Creates or replaces an object from another one of this storage, without a way over this machine."""

    def delete(self, key: str) -> None:
        """Removes an object; one that does not exist is no error."""

    def check_writable(self) -> None:
        """Writes and deletes a small probe, so that a missing permission is known before the work is done."""


def open_storage(uri: str | Path) -> Storage:
    """A storage on `s3://bucket/prefix` or on a local folder, which need not exist yet.

    Raises ConfigError for another scheme or an address without a bucket.
    """
    text = str(uri)
    if text.startswith(S3_SCHEME):
        from training.s3 import S3Storage  # noqa: PLC0415 - boto3 takes long to import

        bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
        return S3Storage(bucket, prefix.strip("/"))
    if "://" in text:
        raise ConfigError(f"{text} is no supported address; write s3://bucket/path or a local path.")
    if not text:
        raise ConfigError("An address is empty; write s3://bucket/path or a local path.")
    return LocalStorage(Path(text))


def open_parent(uri: str | Path) -> tuple[Storage, str]:
    """The storage of the folder that holds the object `uri`, and the object's key in it.

    `s3://bucket/models/m.pth` -> (the storage of `s3://bucket/models`, "m.pth").

    Raises ConfigError where `uri` names a folder or a bucket only.
    """
    text = str(uri)
    folder, slash, name = text.rpartition("/")
    if not name or (text.startswith(S3_SCHEME) and folder + slash == S3_SCHEME):
        raise ConfigError(f"{text!r} names no file; write s3://bucket/path/file or a local path.")
    return open_storage(folder or (slash or ".")), name


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content in hexadecimal."""
    with local_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_object(storage: Storage, key: str) -> str:
    """The SHA-256 of a stored object's content in hexadecimal; in a folder the file is not read into memory."""
    if isinstance(storage, LocalStorage):
        return sha256_file(storage.path(key))
    return sha256_bytes(storage.read_bytes(key))


def check_key(key: str) -> str:
    """`key` itself, where it is relative and stays below the root; else ConfigError."""
    if not key or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ConfigError(f"The object key {key!r} is refused: it must be relative, without empty, '.' or '..' parts.")
    return key


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=PARTIAL_SUFFIX, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes it private; others read data sets too
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turns an OSError on `path` into a typed error."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NotFound(f"{where} does not exist; check the path.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Forbidden(f"{where} cannot be read or written ({error.strerror}); check its permissions.") from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Transient(f"The disk is full while writing {where}; free space or enlarge the volume.") from error
        if error.errno in (errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL):
            raise ConfigError(f"{where} cannot be used as a file ({error.strerror}); choose another path.") from error
        raise Transient(f"{where} failed ({error.strerror}); check the disk and try again.") from error


class LocalStorage:
    """A folder as a Storage."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, key: str = "") -> str:
        return str(self._path(key) if key else self.root)

    def path(self, key: str) -> Path:
        """The object's file."""
        return self._path(key)

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        # Only the folder part of the prefix is walked; its last part may be the start of a name.
        folder = self.root / prefix.rpartition("/")[0]
        with local_errors(folder):
            files = [
                self._stored(path)
                for path in folder.rglob("*")
                if path.is_file() and not (path.name.startswith(".") and path.name.endswith(PARTIAL_SUFFIX))
            ]
        yield from sorted((file for file in files if file.key.startswith(prefix)), key=lambda file: file.key)

    def stat(self, key: str) -> StoredObject | None:
        path = self._path(key)
        with local_errors(path):
            return self._stored(path) if path.is_file() else None

    def read_bytes(self, key: str) -> bytes:
        path = self._path(key)
        with local_errors(path):
            return path.read_bytes()

    def download_file(self, key: str, path: Path) -> None:
        source = self._path(key)
        with local_errors(source), atomic_path(path) as temporary:
            shutil.copyfile(source, temporary)

    def write_bytes(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with local_errors(path), atomic_path(path) as temporary:
            temporary.write_bytes(data)

    def upload_file(self, path: Path, key: str) -> None:
        target = self._path(key)
        with local_errors(target), atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)

    def copy(self, key: str, target_key: str) -> None:
        self.upload_file(self._path(key), target_key)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with local_errors(path):
            path.unlink(missing_ok=True)

    def check_writable(self) -> None:
        with local_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=".", suffix=PARTIAL_SUFFIX, dir=self.root):
                pass

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _stored(self, path: Path) -> StoredObject:
        found = path.stat()
        return StoredObject(path.relative_to(self.root).as_posix(), found.st_size, str(found.st_mtime_ns))
