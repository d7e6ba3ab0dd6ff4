"""The Storage interface: objects by key below one root. `training.storage.uri` opens a storage."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.errors import ConfigError, Transient

Wanted = Callable[[], bool]  # whether the result of a transfer is still wanted; called from several threads


def always() -> bool:
    """The answer about a transfer that is never given up."""
    return True


class GivenUp(Transient):
    """A transfer was given up because its result is no longer wanted."""


@dataclass(frozen=True)
class StoredObject:
    """An object's key, relative to its storage, and its size in bytes; `version` changes whenever it is written."""

    key: str
    size_bytes: int
    version: str = ""


class Storage(Protocol):
    """A tree of objects below one root. Implementations are safe to use from several threads."""

    def uri(self, key: str = "") -> str:
        """The address of `key`, or of the root, as people write it: `s3://bucket/prefix/key` or a path."""

    def list_objects(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose key starts with `prefix`, if any, sorted by key. Raises NotFound for a missing bucket."""

    def stat(self, key: str) -> StoredObject | None:
        """The object's key, size and version, or None if it does not exist."""

    def read_bytes(self, key: str) -> bytes:
        """The content of a small object."""

    def download_file(self, key: str, path: Path, *, wanted: Wanted = always) -> None:
        """Writes the object to `path` and makes its folder. The file appears complete or not at all. Raises GivenUp
        when more of a remote object arrives after `wanted` has become false.
        """

    def write_bytes(self, key: str, data: bytes) -> None:
        """Creates or replaces an object; readers see the old or the new one, never a part."""

    def upload_file(self, path: Path, key: str) -> None:
        """Creates or replaces an object from a file, in parts where it is large."""

    def upload_checked(self, path: Path, key: str, *, wanted: Wanted = always) -> bool:
        """Creates or replaces an object from a file that must not be lost.

        True if the storage itself has compared the stored object with the file's checksum. If False, only reading the
        object back tells whether it was stored as it is. Raises GivenUp when more of the file should be sent after
        `wanted` has become false. A local storage copies the file in any case.
        """

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        """A URL that anybody can read the object by, for `expires_s` seconds. Raises ConfigError if there is none."""

    def copy(self, key: str, target_key: str) -> None:
        """Creates or replaces an object from another one of this storage, without downloading it."""

    def delete(self, key: str) -> None:
        """Removes an object; one that does not exist is no error."""

    def check_writable(self) -> None:
        """Writes and deletes a small probe, so that a missing permission is found before the work starts."""


def check_key(key: str) -> str:
    """Returns `key` if it is relative and stays below the root. Raises ConfigError otherwise."""
    if not key or "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ConfigError(f"The object key {key!r} is refused: it must be relative, without empty, '.' or '..' parts.")
    return key
