"""What a storage is: objects by key below one root. `training.storage.uri` opens one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.errors import ConfigError


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


def check_key(key: str) -> str:
    """`key` itself, where it is relative and stays below the root; else ConfigError."""
    if not key or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ConfigError(f"The object key {key!r} is refused: it must be relative, without empty, '.' or '..' parts.")
    return key
