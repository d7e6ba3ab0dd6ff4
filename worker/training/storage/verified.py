"""Uploads a file that must not be lost, and makes sure that it was stored as it is."""

from pathlib import Path

from training.errors import Transient
from training.storage.base import Storage, Wanted, always
from training.storage.files import sha256_file


def upload_verified(storage: Storage, path: Path, key: str, *, scratch: Path, wanted: Wanted = always) -> str:
    """Upload the file and return its SHA-256 in hexadecimal.

    The object is read back into the folder `scratch` and compared, unless the storage has compared it itself. Raises
    Transient if it differs from the file, GivenUp as `Storage.upload_checked` does, and the storage's errors.
    """
    sha256 = sha256_file(path)
    if storage.upload_checked(path, key, wanted=wanted):
        return sha256
    copy = scratch / f"{path.name}.readback"
    try:
        storage.download_file(key, copy, wanted=wanted)
        if sha256_file(copy) != sha256:
            raise Transient(f"{storage.uri(key)} was not stored as it was written; the run is tried again.")
    finally:
        copy.unlink(missing_ok=True)
    return sha256
