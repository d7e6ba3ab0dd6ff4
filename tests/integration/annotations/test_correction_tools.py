"""A split in the correction tools and back, through the tools' own libraries."""

import json
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.documents.corpus import draw_corpus
from hack.s3.server import S3Server
from tests.support.paths import HACK, REPOSITORY
from tests.support.preprocess.command import run_preprocess, tree, upload
from training.annotations.command import main, run
from training.dataset.training_set import open_training_set
from training.errors import DataError
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration
SCRIPTS = REPOSITORY / "tests" / "support" / "annotations"
NAME = "Geschäft 2020 (final)"  # what Label Studio, URLs and macOS each write in another way
# What the tools export, by tool: the script, and where it leaves the file.
EXPORTS = [
    ("label-studio", "json/result.json"),
    ("label-studio", "json-min/result.json"),
    ("label-studio", "coco/result.json"),
    ("cvat", "cvat/train.xml"),
    ("cvat", "coco/annotations/instances_train.json"),
    ("coco", "coco/annotations/instances_train.json"),
]


@dataclass(frozen=True)
class Libraries:
    """The Python of hack/setup/annotation_tools.sh."""

    python: str

    def run(self, script: str, *arguments: str | Path) -> None:
        command = [self.python, str(SCRIPTS / script), *(str(argument) for argument in arguments)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert result.returncode == 0, result.stdout + result.stderr

    def edit(self, tool: str, ttv: Path, edits: dict[str, Any], folder: Path) -> Path:
        """Exports the train split for the tool, edits it there, and returns the folder of what the tool exports."""
        run(["export", str(ttv), "--split", "train", "--tool", tool, "--output", str(folder / "for-the-tool")])
        (folder / "edits.json").write_text(json.dumps(edits))
        files, output = folder / "for-the-tool", folder / "of-the-tool"
        if tool == "label-studio":
            written = [files / "train-tasks.json", files / "label-config.xml"]
            self.run("label_studio_library.py", "tasks", *written, folder / "edits.json", output)
        else:
            name, file = ("cvat", "train.xml") if tool == "cvat" else ("coco_instances", "train.json")
            images = ttv / "train/images"
            self.run("datumaro_library.py", name, files / file, images, folder / "edits.json", output)
        return output


@pytest.fixture(scope="session")
def libraries() -> Libraries:
    script = HACK / "setup" / "annotation_tools.sh"
    return Libraries(
        subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout.strip()
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, documents=6, seed=3, pages=2)
    for kind, suffix in (("pdfs", "pdf"), ("json", "json")):
        for path in (folder / kind).iterdir():
            path.rename(path.with_name(f"{NAME} {path.stem}.{suffix}"))
    return folder


@pytest.fixture(scope="module")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    code, output, _ = run_preprocess("--source", corpus, "--working_dir", folder)
    assert code == 0, output
    return folder


@pytest.fixture
def ttv(prepared: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(prepared, tmp_path / "target")) / "ttv"


@pytest.fixture(scope="module", params=["label-studio", "cvat", "coco"])
def untouched(
    request: pytest.FixtureRequest, libraries: Libraries, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A tool, and the folder of what it exports if nobody touches the split."""
    return request.param, libraries.edit(request.param, prepared / "ttv", {}, tmp_path_factory.mktemp("untouched"))


Labels = list[tuple[str, list[int]]]


def labels(path: Path) -> dict[str, Labels]:
    """Category and [left, top, right, bottom] of each label, by image."""
    content = json.loads(path.read_bytes())
    names = {item["id"]: item["name"] for item in content["categories"]}
    images = {item["id"]: item["file_name"] for item in content["images"]}
    found: dict[str, Labels] = {name: [] for name in images.values()}
    for item in content["annotations"]:
        left, top, width, height = item["bbox"]
        label = (names[item["category_id"]], [left, top, left + width, top + height])
        found[images[item["image_id"]]].append(label)
    return {name: sorted(items) for name, items in found.items()}


def one_of_each(path: Path) -> tuple[dict[str, Any], dict[str, Labels]]:
    """One move, one deletion, one addition and one relabelling, and what the labels are after them."""
    after = labels(path)
    page = next(name for name, items in after.items() if len(items) > 4)
    cells = [box for name, box in after[page] if name == "Cell"]
    moved = [cells[0][0] + 7, cells[0][1] - 4, cells[0][2] + 7, cells[0][3] - 4]
    edits = {
        "page": page,
        "moved": ["Cell", cells[0], moved],
        "deleted": ["Cell", cells[1]],
        "added": ["header", [5, 6, 47, 21]],
        "relabelled": ["Cell", cells[2], "table"],
    }
    left = [label for label in after[page] if label not in [("Cell", box) for box in cells[:3]]]
    after[page] = sorted([*left, ("Cell", moved), ("header", [5, 6, 47, 21]), ("table", cells[2])])
    return edits, after


def test_what_nobody_touched_is_the_same_dataset(
    untouched: tuple[str, Path], ttv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(open_storage(ttv.parent), "")
    tool, exported = untouched
    for file in (file for name, file in EXPORTS if name == tool):
        assert main(["import", str(ttv), str(exported / file), "--split", "train", "--tool", tool]) == 0
        assert capsys.readouterr().out.startswith("train: 0 of ")
    assert tree(open_storage(ttv.parent), "") == before
    digest = json.loads((ttv / "manifest.json").read_bytes())["digest"]
    assert open_training_set(str(ttv), tmp_path / "work").digest == digest


@pytest.mark.parametrize("tool", ["label-studio", "cvat", "coco"])
def test_one_edit_of_each_kind_comes_back_and_nothing_else(
    libraries: Libraries, tool: str, ttv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ttv / "train/train.json"
    original, (edits, after) = file.read_bytes(), one_of_each(file)
    exported = libraries.edit(tool, ttv, edits, tmp_path)
    for name in (name for of, name in EXPORTS if of == tool):
        file.write_bytes(original)
        capsys.readouterr()
        assert main(["import", str(ttv), str(exported / name), "--split", "train", "--tool", tool]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"train: 1 of {len(after)} pages changed: 1 moved, 1 added, 1 deleted, 1 relabelled"
        assert lines[1] == f"  {edits['page']}: 1 moved, 1 added, 1 deleted, 1 relabelled"
        assert lines[-1].startswith(f"wrote {file}; the file before is {ttv.parent / 'edited'}")
        assert Path(lines[-1].rpartition(" is ")[2]).read_bytes() == original
        assert labels(file) == after
    training_set = open_training_set(str(ttv), tmp_path / "work")
    assert training_set.digest != json.loads((ttv / "manifest.json").read_bytes())["digest"]
    assert labels(training_set.annotation_files["train"]) == after
    # What was corrected can be corrected again: an export of the edited split, untouched, changes nothing.
    (tmp_path / "again").mkdir()
    again, edited = libraries.edit(tool, ttv, {}, tmp_path / "again"), file.read_bytes()
    for name in (name for of, name in EXPORTS if of == tool):
        assert main(["import", str(ttv), str(again / name), "--split", "train", "--tool", tool]) == 0
    assert file.read_bytes() == edited


@pytest.mark.parametrize("form", ["json", "json-min", "coco"])
def test_uploaded_images_are_found_by_the_names_that_label_studio_gave_them(
    libraries: Libraries, form: str, ttv: Path, tmp_path: Path
) -> None:
    before = (ttv / "train/train.json").read_bytes()
    run(["export", str(ttv), "--split", "train", "--tool", "label-studio", "--output", str(tmp_path)])
    tasks = json.loads((tmp_path / "train-tasks.json").read_bytes())
    for task in tasks:
        name = task["data"].pop("dataset_page").replace(" ", "_").replace("(", "").replace(")", "")
        task["data"]["image"] = f"/data/upload/3/41bda93a-{name}"
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    (tmp_path / "edits.json").write_text("{}")
    files = [tmp_path / name for name in ("tasks.json", "label-config.xml", "edits.json")]
    libraries.run("label_studio_library.py", "tasks", *files, tmp_path / "out")
    exported = tmp_path / "out" / form / "result.json"
    run(["import", str(ttv), str(exported), "--split", "train", "--tool", "label-studio"])
    assert (ttv / "train/train.json").read_bytes() == before


@pytest.mark.parametrize("form", ["json", "json-min", "coco"])
def test_what_label_studio_makes_of_our_coco_file_is_refused_since_each_label_is_two_shapes(
    libraries: Libraries, form: str, ttv: Path, tmp_path: Path
) -> None:
    file = ttv / "train/train.json"
    libraries.run("label_studio_library.py", "coco", file, tmp_path / "out")
    exported = tmp_path / "out" / form / "result.json"
    with pytest.raises(DataError, match=r"labels are there twice, such as annotations \d+ and \d+ \("):
        run(["import", str(ttv), str(exported), "--split", "train", "--tool", "label-studio"])
    if form == "coco":
        content = json.loads(exported.read_bytes())
        content["images"] = [image for image in content["images"] if image["width"]]
        file.write_text(json.dumps(content))
        with pytest.raises(DataError, match="labels are there twice"):
            open_training_set(str(ttv), tmp_path / "work")


def test_in_s3_the_corrections_survive_another_preprocess_over_the_same_folder(
    libraries: Libraries, corpus: Path, prepared: Path, tmp_path: Path, s3_environment: S3Server
) -> None:
    bucket = s3_environment.new_bucket()
    target = f"s3://{bucket}/prepared"
    upload(prepared, open_storage(target))
    upload(corpus, open_storage(f"s3://{bucket}/source"))
    export = ["export", f"{target}/ttv", "--split", "train", "--tool", "label-studio"]
    run([*export, "--output", str(tmp_path / "by-address")])
    run([*export, "--output", f"s3://{bucket}/signed", "--presigned-hours", "1"])
    by_address = json.loads((tmp_path / "by-address/train-tasks.json").read_bytes())
    signed = json.loads(open_storage(f"s3://{bucket}/signed").read_bytes("train-tasks.json"))
    for task, same in zip(by_address, signed, strict=True):
        name = task["data"]["dataset_page"]
        assert task["data"]["image"] == f"{target}/ttv/train/images/{name}"
        with urllib.request.urlopen(same["data"]["image"], timeout=30) as answer:  # noqa: S310  our own server's
            assert answer.read() == (prepared / "ttv/train/images" / name).read_bytes()
        # The page is found by its URL alone, too.
        del same["data"]["dataset_page"]
        same |= {"id": 1, "annotations": same.pop("predictions")}
    removed = signed[0]["annotations"][0]["result"].pop()
    open_storage(f"s3://{bucket}/signed").write_bytes("corrected.json", json.dumps(signed).encode())

    corrected = ["import", f"{target}/ttv", f"s3://{bucket}/signed/corrected.json", "--split", "train"]
    run([*corrected, "--tool", "label-studio"])
    edited = open_storage(target).read_bytes("ttv/train/train.json")
    original = (prepared / "ttv/train/train.json").read_bytes()
    assert edited.count(b'"bbox"') == original.count(b'"bbox"') - 1, removed
    (kept,) = open_storage(target).list_objects("edited/")
    assert open_storage(target).read_bytes(kept.key) == original

    again = ("--source", f"s3://{bucket}/source", "--working_dir", target)
    code, output, _ = run_preprocess(*again)
    assert code == 0, output
    assert open_storage(target).read_bytes("ttv/train/train.json") == edited

    # Another input makes the labels anew; the corrections are taken over from the file that was kept.
    draw_corpus(tmp_path / "more", documents=1, seed=4, pages=1)
    upload(tmp_path / "more", open_storage(f"s3://{bucket}/source"))
    code, output, _ = run_preprocess(*again)
    assert code == 0, output
    remade = open_storage(target).read_bytes("ttv/train/train.json")
    kept_again = next(found.key for found in open_storage(target).list_objects("edited/") if found.key != kept.key)
    assert open_storage(target).read_bytes(kept_again) == edited
    run(["import", f"{target}/ttv", f"{target}/{kept_again}", "--split", "train", "--tool", "coco"])
    assert open_storage(target).read_bytes("ttv/train/train.json").count(b'"bbox"') == remade.count(b'"bbox"') - 1
