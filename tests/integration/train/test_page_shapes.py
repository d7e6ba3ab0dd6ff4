"""Pages of extreme shapes before the networks of both built-in configs, which are random here."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import register_all_modules
from mmengine.dataset import pseudo_collate
from PIL import Image

import training.train.loop
import training.train.network  # noqa: F401  both register their classes with mmengine
from tests.support.train.bound import bound
from tests.support.train.drawn_dataset import seal, write_dataset
from training.dataset.split import SPLITS
from training.dataset.training_set import open_training_set
from training.documents.sizes.page_shape import check_page_shape

pytestmark = pytest.mark.integration

SHAPES = [(100, 1500), (6400, 32), (32, 33), (378, 65_500)]  # pixels


def stretch(split: Path, sizes: list[tuple[int, int]]) -> None:
    """Gives the pages of a split other sizes, with their boxes."""
    content = json.loads((split / f"{split.name}.json").read_bytes())
    scales = {}
    for image, (width, height) in zip(content["images"], sizes, strict=True):
        path = split / "images" / image["file_name"]
        with Image.open(path) as page:
            scales[image["id"]] = (width / page.width, height / page.height)
            page.resize((width, height)).save(path)
        image.update(width=width, height=height)
    for annotation in content["annotations"]:
        scale_x, scale_y = scales[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        annotation["bbox"] = [left * scale_x, top * scale_y, width * scale_x, height * scale_y]
    (split / f"{split.name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_dataset(tmp_path_factory.mktemp("shapes"), pages=dict.fromkeys(SPLITS, len(SHAPES)))
    for split in SPLITS:
        stretch(folder / split, SHAPES)
    seal(folder)
    return folder


@pytest.mark.parametrize("name", ["config_3_cls_tiny.py", "config_3_cls_w18.py"])
def test_every_shape_that_preprocess_takes_can_be_learnt_from_and_predicted(
    dataset: Path, tmp_path: Path, name: str
) -> None:
    for size in SHAPES:
        check_page_shape(0, *size, dpi=120, image_format="jpeg")
    register_all_modules(init_default_scope=True)
    settings = bound(name, open_training_set(str(dataset), tmp_path), tmp_path)
    network = MODELS.build(settings["model"])
    network.init_weights()
    for split in ("train", "test"):
        pages = DATASETS.build(settings[f"{split}_dataloader"]["dataset"])
        pages.full_init()
        network.train(split == "train")
        for index in range(len(SHAPES)):
            data = network.data_preprocessor(pseudo_collate([pages[index]]), split == "train")
            if split == "train":
                losses = network(**data, mode="loss")
                parts = [part for loss in losses.values() for part in (loss if isinstance(loss, list) else [loss])]
                assert all(bool(torch.isfinite(part).all()) for part in parts)
            else:
                with torch.inference_mode():
                    (result,) = network(**data, mode="predict")
                assert result.ori_shape == SHAPES[index][::-1]
