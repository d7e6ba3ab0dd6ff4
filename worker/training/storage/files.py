"""Local files: atomic writes, typed errors, SHA-256 digests."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import ConfigError, Forbidden, NotFound, Transient

PARTIAL_SUFFIX = ".part"  # a file that is being written; never listed


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content in hexadecimal."""
    with local_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it if the block succeeds and is removed if the block raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=PARTIAL_SUFFIX, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes it private; others read datasets too
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turns an OSError on `path` into NotFound, Forbidden, ConfigError or Transient."""
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
