"""The order of changes in the target: a reader sees the old dataset, none, or the new one."""

from dataclasses import replace
from pathlib import Path

import pytest

from hack.documents.manifests import manifest_of
from tests.support.storage.memory_storage import MemoryStorage
from training.dataset.layout import MANIFEST_KEY, annotation_key, document_record_key, drawing_key, image_key
from training.dataset.manifest import FileEntry, InputDigest
from training.dataset.prepared_document import PageRecord, PreparedDocument, PreparedPage, write_record
from training.dataset.split import SPLITS, Assignment
from training.errors import Transient
from training.labels.labelled_page import LabelledPage, PackedBoxes
from training.preprocess.assemble import AssembledDataset, Inputs
from training.preprocess.chunk import PreparedChunk
from training.preprocess.target import Target
from training.process.threads import thread_pool
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
    Target(storage, ASSIGNMENT).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert storage.operations[0] == f"delete {MANIFEST_KEY}"
    assert storage.operations[-1] == f"write {MANIFEST_KEY}"


def test_an_image_is_moved_to_its_split_and_what_is_not_of_the_dataset_goes(
    dataset: AssembledDataset, report: Path
) -> None:
    storage = MemoryStorage()
    stale, mine = image_key("test", "gone_0.jpg"), "ttv/notes.txt"
    storage.objects = {image_key("train", "a_0.jpg"): IMAGE, stale: b"x", mine: b"x"}
    Target(storage, ASSIGNMENT).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert storage.objects[image_key("val", "a_0.jpg")] == IMAGE
    assert image_key("train", "a_0.jpg") not in storage.objects
    assert stale not in storage.objects
    assert mine in storage.objects


def test_an_image_that_vanished_is_tried_again_and_no_manifest_is_written(
    dataset: AssembledDataset, report: Path
) -> None:
    storage = MemoryStorage()
    with pytest.raises(Transient, match="vanished"):
        Target(storage, ASSIGNMENT).publish(dataset, INPUTS, ASSIGNMENT, report)
    assert MANIFEST_KEY not in storage.objects


def test_what_lies_there_is_found_with_what_people_edited(dataset: AssembledDataset, report: Path) -> None:
    storage = MemoryStorage()
    storage.objects = {image_key("val", "a_0.jpg"): IMAGE}
    assert Target(storage, ASSIGNMENT).find(dataset) is None
    Target(storage, ASSIGNMENT).publish(dataset, INPUTS, ASSIGNMENT, report)
    found = Target(storage, ASSIGNMENT).find(dataset)
    assert found is not None
    assert (found.manifest, found.edited) == (dataset.manifest, ())

    storage.objects[annotation_key("train")] = b"edited"
    edited = Target(storage, ASSIGNMENT).find(dataset)
    assert edited is not None
    assert edited.edited == ("train",)
    assert edited.manifest.digest != dataset.manifest.digest

    Target(storage, ASSIGNMENT).begin_changes()
    assert b"edited" in [data for key, data in storage.objects.items() if key.startswith("edited/")]
    assert MANIFEST_KEY not in storage.objects


def test_a_coco_file_that_is_missing_is_no_dataset(dataset: AssembledDataset, report: Path) -> None:
    storage = MemoryStorage()
    storage.objects = {image_key("val", "a_0.jpg"): IMAGE}
    Target(storage, ASSIGNMENT).publish(dataset, INPUTS, ASSIGNMENT, report)
    del storage.objects[annotation_key("test")]
    assert Target(storage, ASSIGNMENT).find(dataset) is None


@pytest.fixture
def chunk(tmp_path: Path) -> PreparedChunk:
    chunk = PreparedChunk(tmp_path / "chunk", DOCUMENT.pages, 1)
    for path in (chunk.image(DOCUMENT.pages[0]), chunk.drawing(DOCUMENT.pages[0])):
        path.parent.mkdir(parents=True)
        path.write_bytes(IMAGE)
    return chunk


@pytest.fixture
def record(tmp_path: Path) -> Path:
    (tmp_path / "lines").write_bytes(b"".join(PageRecord.of(page, b"").to_line() for page in DOCUMENT.pages))
    write_record(tmp_path / "record", DOCUMENT, [tmp_path / "lines"])
    return tmp_path / "record"


def upload(target: Target, chunk: PreparedChunk) -> None:
    with thread_pool(1, "upload") as threads:
        target.begin_document(DOCUMENT)
        target.upload_pages(DOCUMENT, chunk, threads)


def test_a_document_that_was_prepared_is_known_while_all_of_it_is_there(
    chunk: PreparedChunk, record: Path, tmp_path: Path
) -> None:
    storage = MemoryStorage()
    target = Target(storage, ASSIGNMENT)
    upload(target, chunk)
    target.finish_document(DOCUMENT, record)
    found = tmp_path / "found"
    assert Target(storage, ASSIGNMENT).known(DOCUMENT, found) == DOCUMENT
    assert found.read_bytes() == record.read_bytes()
    assert Target(storage, ASSIGNMENT).known(replace(DOCUMENT, key="of another PDF"), found) is None

    for key in (image_key("val", "a_0.jpg"), drawing_key("a", 0), document_record_key("a")):
        rest = MemoryStorage()
        rest.objects = {other: data for other, data in storage.objects.items() if other != key}
        assert Target(rest, ASSIGNMENT).known(DOCUMENT, found) is None


def test_manifest_and_record_go_before_an_image_changes_and_so_does_its_like_in_another_split(
    chunk: PreparedChunk,
) -> None:
    storage = MemoryStorage()
    old = [MANIFEST_KEY, document_record_key("a"), image_key("train", "a_0.jpg")]
    storage.objects = dict.fromkeys(old, b"of an older one")
    upload(Target(storage, ASSIGNMENT), chunk)
    assert storage.operations[:2] == [f"delete {MANIFEST_KEY}", f"delete {document_record_key('a')}"]
    assert sorted(storage.objects) == [drawing_key("a", 0), image_key("val", "a_0.jpg")]


def test_nothing_is_left_of_a_document_whose_later_part_failed(chunk: PreparedChunk) -> None:
    storage = MemoryStorage()
    target = Target(storage, ASSIGNMENT)
    upload(target, chunk)
    target.discard(DOCUMENT, chunk.pages)
    assert storage.objects == {}


def test_a_new_document_that_fails_late_leaves_the_dataset_that_is_there(
    dataset: AssembledDataset, report: Path, chunk: PreparedChunk
) -> None:
    storage = MemoryStorage()
    Target(storage, ASSIGNMENT).publish(dataset, Inputs.of((), {}, ()), ASSIGNMENT, report)
    before = dict(storage.objects)
    target = Target(storage, ASSIGNMENT)
    upload(target, chunk)
    assert MANIFEST_KEY in storage.objects
    target.discard(DOCUMENT, chunk.pages)
    assert storage.objects == before
    assert target.find(dataset) is not None
