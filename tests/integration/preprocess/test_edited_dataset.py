"""A dataset whose COCO files people edited after preprocess: what reads it, and what is trained on it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmdet.utils import register_all_modules
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hack.documents.corpus import draw_corpus
from hack.s3.server import S3Server
from tests.support.preprocess.coco_annotator import CocoAnnotator
from tests.support.preprocess.command import run_preprocess, tree, upload
from tests.support.train.bound import bound
from tests.support.train.place import Place
from training.dataset.split import SPLITS
from training.dataset.training_set import TrainingSet, open_training_set
from training.errors import DataError
from training.storage.uri import open_storage
from training.train import command as train

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, documents=8, seed=5, pages=3)
    return folder


@pytest.fixture(scope="module")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ttv folder as preprocess leaves it."""
    folder = tmp_path_factory.mktemp("prepared")
    code, output, _ = run_preprocess("--source", corpus, "--working_dir", folder)
    assert code == 0, output
    return folder / "ttv"


@pytest.fixture
def ttv(prepared: Path, tmp_path: Path) -> Path:
    """A copy that a test may edit."""
    return Path(shutil.copytree(prepared, tmp_path / "ttv"))


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes()))


def tool_with(folder: Path, split: str) -> CocoAnnotator:
    """COCO Annotator after the split's images were scanned and its file imported."""
    content = read(folder / split / f"{split}.json")
    tool = CocoAnnotator({image["file_name"]: (image["width"], image["height"]) for image in content["images"]})
    assert tool.import_file(content) == 0
    return tool


def edit(folder: Path) -> int:
    """Deletes a box of the train split, draws another, and puts the export back; returns what it holds then."""
    tool = tool_with(folder, "train")
    tool.delete(0)
    name = next(item["file_name"] for item in tool.images if item["id"] == tool.annotations[0]["image_id"])
    tool.draw(name, "Cell", [(3.2, 4.4), (40.6, 4.4), (40.6, 20.1), (3.2, 20.1)])
    exported = tool.export(as_download=True)
    (folder / "train/train.json").write_text(json.dumps(exported))
    return len(exported["annotations"])


def digest_of(folder: Path) -> str:
    """As anyone can compute it, without our code."""
    paths = sorted(file["path"] for file in read(folder / "manifest.json")["files"])
    lines = (f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in paths)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def boxes_by_image(path: Path) -> dict[str, list[list[float]]]:
    """Category and box of each annotation, by its image, as pycocotools finds them."""
    coco = COCO(str(path))
    return {
        image["file_name"]: sorted(
            [item["category_id"], *item["bbox"]] for item in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        )
        for image in coco.loadImgs(coco.getImgIds())
    }


def boxes_that_train(training_set: TrainingSet, work_dir: Path) -> dict[str, dict[str, list[list[float]]]]:
    """The same as mmdet's dataset of the tiny config gives them to the network, by split."""
    register_all_modules(init_default_scope=True)
    taken = bound("config_3_cls_tiny.py", training_set, work_dir)
    found = {}
    for split in SPLITS:
        part = taken[f"{split}_dataloader"]["dataset"]
        while "dataset" in part:
            part = part["dataset"]
        dataset = DATASETS.build(part)
        pages = [dataset.get_data_info(index) for index in range(len(dataset))]
        found[split] = {
            Path(page["img_path"]).name: sorted(_coco_box(item) for item in page["instances"]) for page in pages
        }
    return found


def _coco_box(instance: dict[str, Any]) -> list[float]:
    left, top, right, bottom = instance["bbox"]
    return [instance["bbox_label"] + 1, left, top, right - left, bottom - top]


def test_pycocotools_evaluates_each_split_against_itself_with_full_marks(prepared: Path) -> None:
    for split in SPLITS:
        truth = COCO(str(prepared / split / f"{split}.json"))
        found = [
            {"image_id": item["image_id"], "category_id": item["category_id"], "bbox": item["bbox"], "score": 1.0}
            for item in truth.dataset["annotations"]
        ]
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.params.maxDets = [1, 100, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, :, 0, -1]  # by IoU, recall and class; of all sizes
        assert precision.shape[2] == 3
        assert np.all(precision == 1.0), f"{split}: every class is there, and every box is found"


def test_each_annotation_is_on_the_page_that_it_was_drawn_on(corpus: Path, prepared: Path) -> None:
    pages: dict[str, list[list[float]]] = {}
    image_ids: list[int] = []
    annotation_ids: list[int] = []
    for split in SPLITS:
        path = prepared / split / f"{split}.json"
        pages |= boxes_by_image(path)
        image_ids += [item["id"] for item in read(path)["images"]]
        annotation_ids += [item["id"] for item in read(path)["annotations"]]
        assert set(boxes_by_image(path)) == {found.name for found in (prepared / split / "images").iterdir()}
    assert len(set(image_ids)) == len(image_ids) == len(pages) == 24
    assert len(set(annotation_ids)) == len(annotation_ids) == sum(len(boxes) for boxes in pages.values())
    for file in (corpus / "json").iterdir():
        for page in read(file)["pages"]:
            drawn = [block["bbox"] for block in page["blocks"] if block["type"] == "table"]
            tables = [box[1:] for box in pages[f"{file.stem}_{page['page_num']}.jpg"] if box[0] == 1]
            assert tables == sorted([box["left"], box["top"], box["width"], box["height"]] for box in drawn)


def test_a_dataset_that_nobody_edited_has_the_digest_of_its_manifest(prepared: Path, tmp_path: Path) -> None:
    training_set = open_training_set(str(prepared), tmp_path / "work")
    assert training_set.digest == read(prepared / "manifest.json")["digest"] == digest_of(prepared)
    assert training_set.annotation_files["train"] == prepared / "train" / "train.json"


def test_an_export_put_back_is_trained_on_under_a_digest_of_its_own(
    ttv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = boxes_by_image(ttv / "train/train.json")
    annotations = edit(ttv)
    files = tree(open_storage(ttv), "")
    training_set = open_training_set(str(ttv), tmp_path / "work")
    assert tree(open_storage(ttv), "") == files, "the dataset itself stays as people left it"
    assert training_set.digest == digest_of(ttv) != read(ttv / "manifest.json")["digest"]
    assert training_set.facts.classes == ("table", "Cell", "header")

    after = boxes_by_image(training_set.annotation_files["train"])
    assert sum(len(boxes) for boxes in after.values()) == annotations
    changed = [name for name in after if after[name] != before[name]]
    assert 1 <= len(changed) <= 2
    assert [2, 3, 4, 38, 16] in [box for name in changed for box in after[name]]
    # Pages without tables are in no export of COCO Annotator: those that had none before stay in as such.
    assert [name for name in before if name not in after] == []
    assert {name for name in before if not before[name]} == {name for name in after if not after[name]} != set()

    trained = boxes_that_train(training_set, tmp_path / "work")
    assert trained == {split: boxes_by_image(training_set.annotation_files[split]) for split in SPLITS}
    before_count = sum(read(ttv / "manifest.json")["splits"]["train"]["annotations"].values())
    line = next(record.message for record in caplog.records if "was edited" in record.message)
    assert line == (
        f"the train split was edited after preprocess: {annotations} annotations on {len(after)} pages (manifest: "
        f"{before_count} on {len(before)}); digest {training_set.digest}"
    )


def test_in_s3_it_is_the_same_dataset_with_the_same_digest(ttv: Path, tmp_path: Path, s3_environment: S3Server) -> None:
    bucket = s3_environment.new_bucket()
    uri = f"s3://{bucket}/prepared/ttv"
    upload(ttv, open_storage(uri))
    assert open_training_set(uri, tmp_path / "work").digest == read(ttv / "manifest.json")["digest"]

    edit(ttv)
    open_storage(uri).upload_file(ttv / "train/train.json", "train/train.json")
    from_s3 = open_training_set(uri, tmp_path / "work")
    local = open_training_set(str(ttv), tmp_path / "local")
    assert from_s3.digest == local.digest == digest_of(ttv)
    for split in SPLITS:
        assert from_s3.annotation_files[split].read_bytes() == local.annotation_files[split].read_bytes()
    assert open_storage(uri).read_bytes("train/train.json") == (ttv / "train/train.json").read_bytes()

    content = read(ttv / "train/train.json")
    content["annotations"][3]["bbox"] = [0, 0, 5000, 5]
    open_storage(uri).write_bytes("train/train.json", json.dumps(content).encode())
    with pytest.raises(DataError) as error:
        open_training_set(uri, tmp_path / "work")
    number = content["annotations"][3]["id"]
    assert f"{uri}/train/train.json: Annotation {number} (" in str(error.value)
    assert "lies outside its image" in str(error.value)
    assert "move or delete it, or delete the file and run preprocess again" in str(error.value)


def test_another_image_is_refused_and_preprocess_makes_it_anew_once_it_is_deleted(
    corpus: Path, prepared: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(prepared.parent, tmp_path / "out")
    image = next((out / "ttv/val/images").iterdir())
    original = image.read_bytes()
    image.write_bytes(original[:-1] + b"?")
    with pytest.raises(DataError, match=f"{image.name} does not fit its manifest; delete it and run preprocess again"):
        open_training_set(str(out / "ttv"), tmp_path / "work")
    image.unlink()
    code, output, _ = run_preprocess("--source", corpus, "--working_dir", out)
    assert code == 0, output
    assert image.read_bytes() == original
    open_training_set(str(out / "ttv"), tmp_path / "work")


def test_a_model_names_the_edited_dataset_and_another_edit_starts_afresh(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = Place(place.root, Path(shutil.copytree(place.dataset, tmp_path / "edited-ttv")), place.config)
    path = own.dataset / "train/train.json"
    for _ in range(2):
        content = read(path)
        del content["annotations"][-1]
        path.write_text(json.dumps(content))
        caplog.clear()
        assert train.main(own.arguments("--resume-from", "auto", epochs=1)) == 0, own.termination()
        assert own.manifest()["datasetDigest"] == digest_of(own.dataset)
        checkpoint = read(own.checkpoints / "epoch_1.json")
        assert checkpoint["datasetDigest"] == digest_of(own.dataset)
    assert "epoch_1.pth is of another dataset and is passed over" in caplog.text
    assert own.manifest()["classes"] == ["table", "Cell", "header"]
