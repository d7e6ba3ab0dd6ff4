"""A prepared data set in a Storage: reading, checking and downloading it. What `training.train` starts from."""

from pathlib import Path

from training.errors import DataError, NotFound
from training.manifest import MANIFEST_NAME, FileEntry, Manifest, compare
from training.storage import LocalStorage, Storage, check_key, open_storage, sha256_file, sha256_object
from training.transfers import TRANSFER_THREADS, thread_pool

_ADVICE = "run preprocess again (corrections belong in the BadgerDoc JSON, not here)"


def read_manifest(storage: Storage) -> Manifest:
    """The manifest of the data set in `storage` (a `ttv` folder). Raises NotFound, DataError."""
    try:
        data = storage.read_bytes(MANIFEST_NAME)
    except NotFound as error:
        raise NotFound(
            f"{storage.uri()} holds no finished data set: {MANIFEST_NAME} is missing; run preprocess, and name its ttv "
            f"folder. ({error})"
        ) from error
    manifest = Manifest.from_json(data)
    for file in manifest.files:
        check_key(file.path)
    return manifest


def verify_dataset(storage: Storage) -> Manifest:
    """The manifest of a data set whose files all have the size and the SHA-256 that it names.

    Raises NotFound without a manifest, DataError where files are missing or changed.
    """
    manifest = read_manifest(storage)
    sizes = {found.key: found.size_bytes for found in storage.list_objects()}
    present = [file.path for file in manifest.files if sizes.get(file.path) == file.size_bytes]
    with thread_pool(TRANSFER_THREADS, "verify") as threads:
        hashes = dict(zip(present, threads.map(lambda path: sha256_object(storage, path), present), strict=True))
    differences = compare(manifest, sizes, hashes)
    if differences:
        raise DataError(f"{storage.uri()} does not fit its manifest: {differences}; {_ADVICE}.")
    return manifest


def download_dataset(uri: str, folder: Path) -> Manifest:
    """Brings `folder` in line with the data set at `uri`, fetching only what differs, and verifies every file.

    The manifest is written to the folder last. Raises what `verify_dataset` raises.
    """
    source = open_storage(uri)
    manifest = read_manifest(source)
    target = LocalStorage(folder)
    target.check_writable()
    target.delete(MANIFEST_NAME)

    def fetch(file: FileEntry) -> None:
        path = target.path(file.path)
        if _is_same(path, file):
            return
        try:
            source.download_file(file.path, path)
        except NotFound as error:
            raise DataError(f"{source.uri(file.path)} is missing; run preprocess again.") from error
        if not _is_same(path, file):
            raise DataError(f"{source.uri(file.path)} does not fit its manifest; {_ADVICE}.")

    with thread_pool(TRANSFER_THREADS, "download") as threads:
        for future in [threads.submit(fetch, file) for file in manifest.files]:
            future.result()
    target.write_bytes(MANIFEST_NAME, manifest.to_json())
    return manifest


def _is_same(path: Path, file: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == file.size_bytes and sha256_file(path) == file.sha256
