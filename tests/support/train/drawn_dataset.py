"""A tiny dataset as preprocess leaves it, drawn here so that tests of training need neither PDFs nor poppler."""

import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

from hack.documents.manifests import manifest_of
from training.dataset.layout import MANIFEST_NAME
from training.dataset.manifest import FileEntry
from training.storage.files import sha256_file

CLASSES = ("table", "Cell", "header")
Box = tuple[int, int, int, int, int]  # category id, left, top, right, bottom

TINY_CONFIG = """
_base_ = [{base!r}]
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(96, 128), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
train_dataloader = dict(batch_size=2, dataset=dict(times=1, dataset=dict(pipeline=pipeline)))
val_dataloader = dict(dataset=dict(pipeline=pipeline[:3] + pipeline[4:]))
test_dataloader = dict(dataset=dict(pipeline=pipeline[:3] + pipeline[4:]))
"""


def draw_page(rng: random.Random, *, width: int = 240, height: int = 320) -> tuple[Image.Image, list[Box]]:
    """A page with one ruled table: its header row grey, a bar of ink in each cell."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    left, top = rng.randint(10, 30), rng.randint(20, 120)
    rows, columns, row_height, column_width = rng.randint(3, 6), rng.randint(2, 4), 24, 48
    right, bottom = left + columns * column_width, top + rows * row_height
    boxes: list[Box] = [(1, left, top, right, bottom), (3, left, top, right, top + row_height)]
    draw.rectangle((left, top, right, top + row_height), fill=(210, 210, 210))
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * column_width, top + row * row_height
            draw.rectangle((x, y, x + column_width, y + row_height), outline="black")
            ink = (x + 6, y + 8, x + 6 + rng.randint(12, 32), y + 16)
            draw.rectangle(ink, fill="black")
            boxes.append((2, *ink))
    return image, boxes


def write_dataset(folder: Path, *, pages: dict[str, int], seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Path:
    """Writes `{train,val,test}/…` and the manifest into `folder` and returns it."""
    for split, number in pages.items():
        rng = random.Random(f"{seed} {split}")
        images, annotations = [], []
        (folder / split / "images").mkdir(parents=True)
        for index in range(number):
            page, boxes = draw_page(rng)
            name = f"{split}{index}_0.jpg"
            page.save(folder / split / "images" / name, quality=95)
            images.append({"id": index + 1, "file_name": name, "width": page.width, "height": page.height})
            for category, left, top, right, bottom in boxes:
                width, height = right - left, bottom - top
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": index + 1,
                        "category_id": category,
                        "bbox": [left, top, width, height],
                        "area": width * height,
                        "iscrowd": 0,
                    }
                )
        categories = [{"id": number + 1, "name": name} for number, name in enumerate(classes)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / split / f"{split}.json").write_text(json.dumps(content))
    seal(folder)
    return folder


def seal(folder: Path) -> None:
    """Writes the manifest over what is there."""
    files = tuple(
        FileEntry(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST_NAME
    )
    manifest = manifest_of(files)
    (folder / MANIFEST_NAME).write_bytes(manifest.to_json())
