"""The real documents, their annotations expressed in other units and in the other format: the same dataset."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import REAL_DOCUMENTS
from tests.support.preprocess.command import run_preprocess
from training.dataset.split import SPLITS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not REAL_DOCUMENTS.is_dir(), reason=f"REAL DOCUMENTS ABSENT: {REAL_DOCUMENTS}"),
]
COUNTS = {"table": 76, "Cell": 3743, "header": 76}
Annotations = dict[str, Any]


def scaled(value: Any, factor: float) -> Any:
    """The annotations with every box at another resolution."""
    if isinstance(value, list):
        return [scaled(item, factor) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"left", "top", "width", "height"}:
        return {name: number * factor for name, number in value.items()}
    return {name: scaled(item, factor) for name, item in value.items()}


def without_page_boxes(annotations: Annotations) -> Annotations:
    return {"pages": [{name: value for name, value in page.items() if name != "bbox"} for page in annotations["pages"]]}


def as_platform(annotations: Annotations) -> Annotations:
    """As the later platform writes them."""
    pages = []
    for page in annotations["pages"]:
        objects: list[dict[str, Any]] = []
        for block in page["blocks"]:
            children = []
            for kind in ("header", "cells"):
                for cell in block.get(kind, []):
                    children.append(len(objects))
                    place = {"row": cell["row"], "col": cell["column"]}
                    place |= {name: cell.get(name, 1) for name in ("rowspan", "colspan")}
                    category = "header" if kind == "header" else "cell"
                    objects.append(_object(len(objects), "table_cell", category, cell["bbox"], place))
            objects.append(_object(len(objects), "box", block["type"], block["bbox"], {}) | {"children": children})
        size = {"width": page["bbox"]["width"], "height": page["bbox"]["height"]}
        pages.append({"page_num": page["page_num"] + 1, "size": size, "objs": objects})
    return {"revision": "1", "pages": pages}


def _object(number: int, kind: str, category: str, box: dict[str, float], data: dict[str, int]) -> dict[str, Any]:
    corners = [box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]]
    return {"id": number, "type": kind, "category": category, "bbox": corners, "data": data}


def prepared(folder: Path, *options: str) -> dict[str, list[tuple[int, list[int]]]]:
    """Category and box of every annotation, by its page's file."""
    code, output, message = run_preprocess("--source", folder, "--working_dir", folder / "out", *options)
    assert code == 0, output
    assert message["dataset"]["documents"] == {"total": 27, "prepared": 27, "quarantined": 0}
    assert message["dataset"]["annotations"] == COUNTS
    found: dict[str, list[tuple[int, list[int]]]] = {}
    for split in SPLITS:
        coco = json.loads((folder / "out/ttv" / split / f"{split}.json").read_bytes())
        names = {image["id"]: image["file_name"] for image in coco["images"]}
        for name in names.values():
            found[name] = []
        for annotation in coco["annotations"]:
            found[names[annotation["image_id"]]].append((annotation["category_id"], annotation["bbox"]))
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, list[int]]]]:
    folder = tmp_path_factory.mktemp("original")
    shutil.copytree(REAL_DOCUMENTS, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return prepared(folder)


@pytest.mark.parametrize(
    ("express", "options"),
    [
        (lambda annotations: scaled(annotations, 400 / 120), []),
        (lambda annotations: scaled(annotations, 72 / 120), []),
        (lambda annotations: without_page_boxes(scaled(annotations, 72 / 120)), ["--coordinates", "points"]),
        (lambda annotations: scaled(annotations, 400 / 120), ["--coordinates", "400dpi"]),
        (as_platform, []),
        (lambda annotations: as_platform(scaled(annotations, 72 / 120)), ["--format", "platform"]),
    ],
    ids=["400 dpi", "points", "points, stated", "400 dpi, stated", "platform", "platform in points"],
)
def test_another_unit_or_format_gives_the_same_labels_within_one_pixel(
    original: dict[str, list[tuple[int, list[int]]]],
    tmp_path: Path,
    express: Callable[[Annotations], Annotations],
    options: list[str],
) -> None:
    (tmp_path / "json").mkdir()
    shutil.copytree(REAL_DOCUMENTS / "pdfs", tmp_path / "pdfs", copy_function=shutil.copyfile)
    for path in (REAL_DOCUMENTS / "json").iterdir():
        (tmp_path / "json" / path.name).write_text(json.dumps(express(json.loads(path.read_bytes()))))
    found = prepared(tmp_path, *options)
    assert found.keys() == original.keys()
    for name, labels in original.items():
        assert [category for category, _ in found[name]] == [category for category, _ in labels]
        for (_, one), (_, other) in zip(found[name], labels, strict=True):
            edges = [(box[0], box[1], box[0] + box[2], box[1] + box[3]) for box in (one, other)]
            assert max(abs(a - b) for a, b in zip(*edges, strict=True)) <= 1, (name, one, other)
