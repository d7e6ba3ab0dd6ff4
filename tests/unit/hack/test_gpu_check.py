"""The parts of the GPU check that need neither a GPU nor a compiler."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from hack.gpu.check import Row
from hack.gpu.mmcv_ops import APART, translation_units
from hack.gpu.pages import A4, draw_page, write_dataset
from hack.gpu.trainings import Ended, Training
from tests.support.train.records import iteration, start
from training.dataset.layout import MANIFEST_NAME
from training.dataset.manifest import Manifest
from training.tracking.events import encode


@pytest.mark.parametrize("cells", [40, 500])
def test_a_drawn_page_has_a_table_a_header_and_the_cells_asked_for_within_it(cells: int) -> None:
    image, boxes = draw_page(random.Random(0), cells=cells)
    assert image.size == A4
    assert Counter(category for category, *_ in boxes) == {1: 1, 3: 1, 2: cells}
    for _, left, top, width, height in boxes:
        assert 0 <= left < left + width <= A4[0]
        assert 0 <= top < top + height <= A4[1]


def test_a_drawn_dataset_is_vouched_for_by_its_manifest(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "ttv", pages={"train": 2, "val": 1}, cells=(20, 40))
    manifest = Manifest.from_json((folder / MANIFEST_NAME).read_bytes())
    assert {entry.path for entry in manifest.files} == {
        "train/train.json",
        "train/images/train1_0.jpg",
        "train/images/train2_0.jpg",
        "val/val.json",
        "val/images/val1_0.jpg",
    }
    content = json.loads((folder / "train" / "train.json").read_bytes())
    assert {annotation["image_id"] for annotation in content["annotations"]} == {1, 2}


def test_each_of_mmcvs_files_is_compiled_once_and_those_with_equal_names_apart(tmp_path: Path) -> None:
    pytorch = tmp_path / "pytorch"
    (pytorch / "cpu").mkdir(parents=True)
    files = {pytorch / f"{name}.cpp" for name in ("info", "nms", "roi_align", "pybind")}
    files |= {pytorch / "cpu" / f"{name}.cpp" for name in ("nms", *(name for names in APART for name in names))}
    for path in files:
        path.touch()
    units = [re.findall(r'#include "(.*)"', unit.read_text()) for unit in translation_units(pytorch, tmp_path)]
    assert sorted(path for unit in units for path in unit) == sorted(
        str(path) for path in files - {pytorch / "info.cpp"}
    )
    assert units[: len(APART)] == [[str(pytorch / "cpu" / f"{name}.cpp") for name in names] for names in APART]


def test_a_training_is_summed_up_by_its_usual_iteration_its_loss_and_its_memory(tmp_path: Path) -> None:
    training = Training(tmp_path, tmp_path / "ttv", "config.py", "cuda")
    assert training.iterations() == []
    records = [iteration(number, number, 30.0 - number) for number in range(1, 21)]
    log = tmp_path / "work" / "logs" / "metrics.jsonl"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"".join(encode(record) for record in (start(0), *records)))
    assert training.summary() == "1.500 s an iteration, loss 27.00 to 12.00 in 20 iterations"
    held = [record.model_copy(update={"gpu_memory_bytes": 3 << 30}) for record in records]
    log.write_bytes(b"".join(encode(record) for record in held))
    assert "3.00 GiB at most" in training.summary()


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(1, "UserError", "It broke.", "Traceback"), "exit code 1 instead of 86, UserError: It broke."),
        (Ended(-9, "", "", "Killed"), "exit code -9 instead of 86, no reason: Killed"),
        (Ended(86, "Other", "m", ""), "exit code 86 instead of 86, Other: m"),
    ],
)
def test_a_training_that_ends_otherwise_says_how(ended: Ended, words: str) -> None:
    with pytest.raises(RuntimeError, match=f"^{re.escape(words)}$"):
        ended.expect(86, "CudaOOM")


def test_a_row_is_one_line_of_a_markdown_table() -> None:
    assert str(Row("infer", 12.6, "a | b")) == "| infer | 13 | a / b |"
