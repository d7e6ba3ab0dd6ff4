"""The tools' files: what each is given, and how its exports are recognised."""

import io
import json
import zipfile
from collections.abc import Sequence

import pytest

from tests.support.preprocess.coco_annotator import CocoAnnotator
from training.annotations.tools.corrections import Corrections, corrections
from training.annotations.tools.tool import TOOLS, unpacked
from training.errors import DataError
from training.labels.categories import CELL, HEADER, TABLE, LabelledBox
from training.labels.labelled_page import LabelledPage, PackedBoxes

LABELS = [LabelledBox(TABLE, 10, 10, 180, 80), LabelledBox(CELL, 20, 20, 30, 9), LabelledBox(HEADER, 20, 20, 30, 9)]
PAGES = [LabelledPage("ä b_0.jpg", 200, 100, PackedBoxes(LABELS)), LabelledPage("c_0.jpg", 200, 99, PackedBoxes())]


def archive(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in files.items():
            written.writestr(name.replace("__", "/"), text)
    return data.getvalue()


@pytest.mark.parametrize(
    ("tool", "address", "files"),
    [
        ("coco-annotator", "", ["train.json"]),
        ("coco", "", ["train.json"]),
        ("label-studio", "s3://b/", ["train-tasks.json", "label-config.xml"]),
        ("cvat", "", ["labels.json", "train.xml"]),
        ("cvat", "https://h/", ["labels.json", "train.xml", "train-images.txt"]),
    ],
)
def test_each_tool_gets_its_files(tool: str, address: str, files: list[str]) -> None:
    assert list(TOOLS[tool].write("train", PAGES, lambda name: address + name)) == files


@pytest.mark.parametrize(
    ("tool", "file"), [("coco-annotator", "train.json"), ("coco", "train.json"), ("cvat", "train.xml")]
)
def test_what_a_tool_gives_back_untouched_is_the_split(tool: str, file: str) -> None:
    data = TOOLS[tool].write("train", PAGES, lambda name: f"pages/{name}")[file]
    sizes = {page.file_name: (page.width, page.height) for page in PAGES}
    found = corrections(TOOLS[tool].read(data, file), file, PAGES, sizes, others={})
    assert found.pages == tuple(PAGES)


def test_coco_annotator_takes_every_label_and_what_was_emptied_there_must_be_named() -> None:
    sizes = {page.file_name: (page.width, page.height) for page in PAGES}
    annotator = CocoAnnotator(sizes)
    assert annotator.import_file(json.loads(TOOLS["coco-annotator"].write("train", PAGES, str)["train.json"])) == 0

    def imported(emptied: Sequence[str] = ()) -> Corrections:
        data = json.dumps(annotator.export(as_download=True)).encode()
        content = TOOLS["coco-annotator"].read(data, "tables.json")
        return corrections(content, "tables.json", PAGES, sizes, others={}, emptied=emptied)

    assert imported().pages == tuple(PAGES)
    annotator.annotations.clear()
    assert (imported().pages, imported().absent) == (tuple(PAGES), ("ä b_0.jpg",))
    assert [len(page.boxes) for page in imported(["ä b_0.jpg"]).pages] == [0, 0]


def test_no_tool_but_coco_annotator_gets_an_outline_beside_the_box() -> None:
    for tool, outlined in (("coco-annotator", True), ("coco", False)):
        written = json.loads(TOOLS[tool].write("train", PAGES, str)["train.json"])
        assert [bool(item["segmentation"]) for item in written["annotations"]] == [outlined] * 3


def test_cvat_calls_an_image_that_it_downloads_by_the_end_of_its_url() -> None:
    files = TOOLS["cvat"].write("train", PAGES, lambda name: f"https://h/{name}?signature=1")
    assert files["train-images.txt"].decode() == "https://h/ä b_0.jpg?signature=1\nhttps://h/c_0.jpg?signature=1\n"
    assert b'name="c_0.jpg"' in files["train.xml"]


def test_a_coco_file_of_label_studio_says_nothing_of_pages_without_labels() -> None:
    data = TOOLS["coco"].write("train", PAGES, str)["train.json"]
    assert [len(TOOLS[tool].read(data, "a")["images"]) for tool in ("label-studio", "cvat", "coco")] == [1, 2, 2]


def test_the_file_of_annotations_is_found_in_an_archive() -> None:
    data = archive(annotations__instances_default__json="").replace(b"default/json", b"default.json")
    assert unpacked(data, "a.zip") == (b"", "a.zip: annotations/instances_default.json")
    assert unpacked(b"{}", "a.json") == (b"{}", "a.json")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive(images__a="x"), "must hold one file of annotations, .json or .xml, but has none"),
        (archive(**{"a.json": "", "b.xml": ""}), "but has a.json, b.xml; unpack it"),
        (archive(**{"a.json": "text"})[:-30], "cannot be unpacked"),
        (b"PK\x03\x04", "cannot be unpacked"),
    ],
    ids=["none", "two", "cut off", "a beginning"],  # an archive holds the time
)
def test_an_archive_without_one_such_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"a\.zip.* {words}"):
        unpacked(data, "a.zip")
