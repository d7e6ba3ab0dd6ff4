"""The order of changes in the target: a reader sees the old data set, none, or the new one."""

from pathlib import Path

import pytest

from tests.support.manifests import manifest_of
from tests.support.storage.memory_storage import MemoryStorage
from training.dataset.layout import MANIFEST_KEY, annotation_key, image_key
from training.dataset.manifest import FileEntry, InputDigest
from training.dataset.prepared_document import PreparedDocument, PreparedPage
from training.dataset.split import SPLITS, Assignment
from training.errors import Transient
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.preprocess.assemble import AssembledDataset, Inputs
from training.preprocess.publish import Target
from training.storage.files import sha256_bytes

IMAGE = b"image"
DOCUMENT = PreparedDocument(
    "a",
    "key",
    InputDigest("a" * 64, "b" * 64),
    (PreparedPage(0, LabelledPage("a_0.jpg", 1, 1, PackedBoxes()), len(IMAGE), sha256_bytes(IMAGE)),),
)
INPUTS = Inputs((DOCUMENT,), (), {}, ())
ASSIGNMENT = Assignment({"a": "val"}, ())


@pytest.fixture
def dataset(tmp_path: Path) -> AssembledDataset:
    files = [FileEntry(path="val/images/a_0.jpg", size_bytes=len(IMAGE), sha256=sha256_bytes(IMAGE))]
    paths = {}
    for split in SPLITS:
        paths[split] = tmp_path / f"{split}.json"
        paths[split].write_text(f'"{split}"')
        data = paths[split].read_bytes()
        files.append(FileEntry(path=f"{split}/{split}.json", size_bytes=len(data), sha256=sha256_bytes(data)))
    manifest = manifest_of(files)
    return AssembledDataset(manifest, paths)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text("<html>")
    return path


def test_the_manifest_goes_first_and_comes_last(dataset: AssembledDataset, report: Path) -> None:
    storage = MemoryStorage()
    storage.objects = {image_key("val", "a_0.jpg"): IMAGE, MANIFEST_KEY: b"of an older one"}
    Target(storage).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert storage.operations[0] == f"delete {MANIFEST_KEY}"
    assert storage.operations[-1] == f"write {MANIFEST_KEY}"


def test_an_image_is_moved_to_its_split_and_what_is_not_of_the_data_set_goes(
    dataset: AssembledDataset, report: Path
) -> None:
    storage = MemoryStorage()
    stale, mine = image_key("test", "gone_0.jpg"), "ttv/notes.txt"
    storage.objects = {image_key("train", "a_0.jpg"): IMAGE, stale: b"x", mine: b"x"}
    Target(storage).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert storage.objects[image_key("val", "a_0.jpg")] == IMAGE
    assert image_key("train", "a_0.jpg") not in storage.objects
    assert stale not in storage.objects
    assert mine in storage.objects


def test_an_image_that_vanished_is_tried_again_and_no_manifest_is_written(
    dataset: AssembledDataset, report: Path
) -> None:
    storage = MemoryStorage()
    with pytest.raises(Transient, match="vanished"):
        Target(storage).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert MANIFEST_KEY not in storage.objects


def test_what_lies_there_is_found_with_what_people_edited(dataset: AssembledDataset, report: Path) -> None:
    storage = MemoryStorage()
    storage.objects = {image_key("val", "a_0.jpg"): IMAGE}
    assert Target(storage).find(dataset) is None
    Target(storage).publish(dataset, INPUTS, ASSIGNMENT, report)
    found = Target(storage).find(dataset)
    assert found is not None
    assert (found.manifest, found.edited) == (dataset.manifest, ())

    storage.objects[annotation_key("train")] = b"edited"
    edited = Target(storage).find(dataset)
    assert edited is not None
    assert edited.edited == ("train",)
    assert edited.manifest.digest != dataset.manifest.digest

    Target(storage).begin_changes()
    assert b"edited" in [data for key, data in storage.objects.items() if key.startswith("edited/")]
    assert MANIFEST_KEY not in storage.objects


def test_a_coco_file_that_is_missing_is_no_data_set(dataset: AssembledDataset, report: Path) -> None:
    storage = MemoryStorage()
    storage.objects = {image_key("val", "a_0.jpg"): IMAGE}
    Target(storage).publish(dataset, INPUTS, ASSIGNMENT, report)
    del storage.objects[annotation_key("test")]
    assert Target(storage).find(dataset) is None
