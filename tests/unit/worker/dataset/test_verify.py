"""A dataset in a storage: what may differ from its manifest, and what the digest is then."""

import hashlib
import json

import pytest

from hack.documents.manifests import manifest_of
from tests.support.storage.memory_storage import MemoryStorage
from training.dataset.manifest import FileEntry, Manifest
from training.dataset.verify import Dataset, verify_dataset
from training.errors import DataError, NotFound
from training.storage.files import sha256_bytes

FILES = {
    "train/train.json": b"{}",
    "train/images/a_0.jpg": b"a",
    "val/val.json": b"{ }",
    "val/images/b_0.jpg": b"b",
    "test/test.json": b"{  }",
    "test/images/c_0.jpg": b"c",
}


def prepared() -> MemoryStorage:
    storage = MemoryStorage()
    files = tuple(
        FileEntry(path=path, size_bytes=len(data), sha256=sha256_bytes(data)) for path, data in sorted(FILES.items())
    )
    manifest = manifest_of(files)
    storage.objects = {**FILES, "manifest.json": manifest.to_json()}
    return storage


def written(storage: MemoryStorage) -> Manifest:
    return Manifest.from_json(storage.objects["manifest.json"])


def test_a_dataset_as_preprocess_left_it_is_its_manifest() -> None:
    storage = prepared()
    storage.objects["notes.txt"] = b"of somebody"
    assert verify_dataset(storage) == Dataset(written(storage), ())


def test_an_edited_coco_file_gives_the_digest_of_the_files_as_they_are() -> None:
    storage = prepared()
    storage.objects["val/val.json"] = b"edited"
    storage.objects["train/train.json"] = b"[]"  # of the same size
    found = verify_dataset(storage)
    assert found.edited == ("train", "val")
    # As anyone can compute it: sha256sum of the files that the manifest names, sorted by path, hashed again.
    names = sorted(file["path"] for file in json.loads(storage.objects["manifest.json"])["files"])
    lines = "".join(f"{hashlib.sha256(storage.objects[name]).hexdigest()}  {name}\n" for name in names)
    assert found.manifest.digest == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
    assert found.manifest.digest != written(storage).digest
    assert storage.operations == [], "nothing is written to the dataset"


def test_an_edit_that_is_taken_back_gives_the_manifests_digest_again() -> None:
    storage = prepared()
    storage.objects["val/val.json"] = b"edited"
    verify_dataset(storage)
    storage.objects["val/val.json"] = FILES["val/val.json"]
    assert verify_dataset(storage) == Dataset(written(storage), ())


@pytest.mark.parametrize("data", [b"A", b"longer"])
def test_another_image_is_refused_and_the_advice_is_to_delete_it(data: bytes) -> None:
    storage = prepared()
    storage.objects["train/images/a_0.jpg"] = data
    with pytest.raises(DataError, match=r"train/images/a_0\.jpg does not fit .* delete it and run preprocess again"):
        verify_dataset(storage)


@pytest.mark.parametrize("path", list(FILES))
def test_a_missing_file_is_named(path: str) -> None:
    storage = prepared()
    del storage.objects[path]
    with pytest.raises(DataError, match=f"{path} is missing; run preprocess again"):
        verify_dataset(storage)


def test_without_a_manifest_there_is_no_dataset() -> None:
    storage = prepared()
    del storage.objects["manifest.json"]
    with pytest.raises(NotFound, match="no finished dataset"):
        verify_dataset(storage)
