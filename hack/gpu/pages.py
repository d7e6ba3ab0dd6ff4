"""Draws datasets of ruled tables as preprocess leaves them, at the size of a real page and without PDFs."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from hack.documents.manifests import manifest_of
from training.dataset.layout import MANIFEST_NAME
from training.dataset.manifest import FileEntry
from training.storage.files import sha256_file

CATEGORIES = ("table", "Cell", "header")
A4 = (992, 1403)  # pixels at 120 dpi
MARGIN = 60
Box = tuple[int, int, int, int, int]  # category id, left, top, width, height


def draw_page(rng: random.Random, *, cells: int, columns: int = 10) -> tuple[Image.Image, list[Box]]:
    """A page with one table of about `cells` cells: ruled, its first row grey, a bar of ink in each cell."""
    image = Image.new("RGB", A4, "white")
    draw = ImageDraw.Draw(image)
    rows = max(2, cells // columns)
    width = (A4[0] - 2 * MARGIN) // columns
    height = min(28, (A4[1] - 2 * MARGIN) // rows)
    top = rng.randint(MARGIN, A4[1] - MARGIN - rows * height)
    boxes = [(1, MARGIN, top, columns * width, rows * height), (3, MARGIN, top, columns * width, height)]
    draw.rectangle((MARGIN, top, MARGIN + columns * width, top + height), fill=(215, 215, 215))
    for row in range(rows):
        for column in range(columns):
            left, upper = MARGIN + column * width, top + row * height
            draw.rectangle((left, upper, left + width, upper + height), outline="black")
            ink = rng.randint(width // 3, width - 12)
            draw.rectangle((left + 6, upper + height // 3, left + 6 + ink, upper + 2 * height // 3), fill="black")
            boxes.append((2, left + 6, upper + height // 3, ink, height // 3))
    return image, boxes


def write_dataset(folder: Path, *, pages: Mapping[str, int], cells: tuple[int, int]) -> Path:
    """Write pages of each split into `folder`, with a number of cells within `cells` on each. Returns `folder`."""
    for split, number in pages.items():
        rng = random.Random(split)
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        (folder / split / "images").mkdir(parents=True)
        for index in range(1, number + 1):
            page, boxes = draw_page(rng, cells=rng.randint(*cells))
            name = f"{split}{index}_0.jpg"
            page.save(folder / split / "images" / name, quality=95)
            images.append({"id": index, "file_name": name, "width": page.width, "height": page.height})
            for category, *box in boxes:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": index,
                        "category_id": category,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                    }
                )
        categories = [{"id": number, "name": name} for number, name in enumerate(CATEGORIES, start=1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / split / f"{split}.json").write_text(json.dumps(content))
    files = [
        FileEntry(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / MANIFEST_NAME).write_bytes(manifest_of(files).to_json())
    return folder
