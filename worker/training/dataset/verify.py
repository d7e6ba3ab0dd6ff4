"""Reads, verifies and downloads a prepared dataset in a Storage, for `training.train`.

Images must match the manifest. COCO files may have been edited since: training uses the edited ones, and the dataset's
digest is then computed from its files as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.dataset.layout import MANIFEST_NAME, annotation_path
from training.dataset.manifest import FileEntry, Manifest, files_digest
from training.dataset.split import SPLITS
from training.errors import DataError, NotFound
from training.process.threads import TRANSFER_THREADS, thread_pool
from training.storage.base import Storage, check_key
from training.storage.files import sha256_file
from training.storage.local import LocalStorage, sha256_object
from training.storage.uri import open_storage

_ADVICE = "delete it and run preprocess again, which makes anew what is missing"
ANNOTATION_FILES: Mapping[str, str] = {annotation_path(split): split for split in SPLITS}


@dataclass(frozen=True)
class Dataset:
    """`edited` are the splits with edited COCO files; `manifest` has their actual entries and the actual digest."""

    manifest: Manifest
    edited: tuple[str, ...]

    @classmethod
    def of(cls, written: Manifest, actual: Mapping[str, FileEntry]) -> "Dataset":
        """`written` is the manifest in the storage, `actual` the entries of the COCO files by path."""
        changed = {path: entry for path, entry in actual.items() if entry not in written.files}
        if not changed:
            return cls(written, ())
        files = tuple(changed.get(file.path, file) for file in written.files)
        manifest = written.model_copy(update={"files": files, "digest": files_digest(files)})
        return cls(manifest, tuple(split for path, split in ANNOTATION_FILES.items() if path in changed))


def read_manifest(storage: Storage) -> Manifest:
    """The manifest of the dataset in `storage` (a `ttv` folder). Raises NotFound, or DataError if it is invalid."""
    try:
        data = storage.read_bytes(MANIFEST_NAME)
    except NotFound as error:
        raise NotFound(
            f"{storage.uri()} holds no finished dataset: {MANIFEST_NAME} is missing; run preprocess, and name its ttv "
            f"folder. ({error})"
        ) from error
    manifest = Manifest.from_json(data)
    for file in manifest.files:
        check_key(file.path)
    return manifest


def verify_dataset(storage: Storage) -> Dataset:
    """Checks that all images in `storage` have the sizes and SHA-256 in the manifest; returns the dataset.

    Raises NotFound without a manifest, DataError if files are missing or images were changed.
    """
    manifest = read_manifest(storage)
    sizes = {found.key: found.size_bytes for found in storage.list_objects()}

    def actual(file: FileEntry) -> FileEntry:
        if file.path not in sizes:
            raise _missing(storage, file.path)
        if sizes[file.path] == file.size_bytes or file.path in ANNOTATION_FILES:
            found = FileEntry(path=file.path, size_bytes=sizes[file.path], sha256=sha256_object(storage, file.path))
            if found == file or file.path in ANNOTATION_FILES:
                return found
        raise _changed(storage, file.path)

    with thread_pool(TRANSFER_THREADS, "verify") as threads:
        entries = list(threads.map(actual, manifest.files))
    return Dataset.of(manifest, {entry.path: entry for entry in entries if entry.path in ANNOTATION_FILES})


def download_dataset(uri: str, folder: Path) -> Dataset:
    """Downloads the dataset at `uri` to `folder`, only the files that differ, and verifies every file.

    The manifest is written to the folder last. Raises what `verify_dataset` raises.
    """
    source = open_storage(uri)
    manifest = read_manifest(source)
    target = LocalStorage(folder)
    target.check_writable()
    target.delete(MANIFEST_NAME)

    def fetch(file: FileEntry) -> FileEntry:
        path = target.path(file.path)
        # COCO files are always fetched, since people edit them and the copy here may be outdated.
        if file.path not in ANNOTATION_FILES and path.is_file() and _entry(file.path, path) == file:
            return file
        try:
            source.download_file(file.path, path)
        except NotFound as error:
            raise _missing(source, file.path) from error
        found = _entry(file.path, path)
        if found != file and file.path not in ANNOTATION_FILES:
            raise _changed(source, file.path)
        return found

    with thread_pool(TRANSFER_THREADS, "download") as threads:
        entries = [future.result() for future in [threads.submit(fetch, file) for file in manifest.files]]
    target.write_bytes(MANIFEST_NAME, manifest.to_json())
    return Dataset.of(manifest, {entry.path: entry for entry in entries if entry.path in ANNOTATION_FILES})


def _entry(name: str, path: Path) -> FileEntry:
    return FileEntry(path=name, size_bytes=path.stat().st_size, sha256=sha256_file(path))


def _missing(storage: Storage, path: str) -> DataError:
    return DataError(f"{storage.uri(path)} is missing; run preprocess again, which makes it anew.")


def _changed(storage: Storage, path: str) -> DataError:
    return DataError(f"{storage.uri(path)} does not fit its manifest; {_ADVICE}.")
