"""A local folder as a Storage, and functions that avoid a download or memory if a storage is one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from training.errors import ConfigError
from training.storage.base import Storage, StoredObject, Wanted, always, check_key
from training.storage.files import PARTIAL_SUFFIX, atomic_path, local_errors, sha256_bytes, sha256_file


def local_file(storage: Storage, key: str, path: Path) -> Path:
    """The object as a local file: the file itself in a LocalStorage, otherwise downloaded to `path`."""
    if isinstance(storage, LocalStorage):
        # Absolute, so that no program takes a name that begins with "-" for an option.
        return storage.path(key).absolute()
    storage.download_file(key, path)
    return path


def sha256_object(storage: Storage, key: str) -> str:
    """The SHA-256 of an object's content in hexadecimal; a file of a LocalStorage is not read into memory."""
    if isinstance(storage, LocalStorage):
        return sha256_file(storage.path(key))
    return sha256_bytes(storage.read_bytes(key))


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

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:  # noqa: ARG002
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

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:  # noqa: ARG002
        self.upload_file(path, key)
        return False

    def presigned_url(self, key: str, *, expires_s: int) -> str:  # noqa: ARG002
        raise ConfigError(f"{self.uri(key)} is a local file, which has no presigned URL; name a folder in S3.")

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
