"""The naive way, to compare with: download everything, draw everything, upload everything; one process, one thread.

It has the shape of the pipeline that this project replaces, and makes the same kinds of files: page images by split,
COCO annotations, pages with the annotations drawn on them. What it does as that did: every page of a document in
memory by pdf2image, written as PNG, copied into its split, the annotations drawn on the page at full size and written
as PNG, one `upload_file` after the other. What is left out of it: that pipeline's faults that only cost correctness.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pdf2image
from botocore.config import Config
from PIL import Image, ImageDraw

COLOURS = {1: "#ef703f", 2: "#38fb5c", 3: "#e17282"}
CATEGORIES = [{"id": 1, "name": "table"}, {"id": 2, "name": "Cell"}, {"id": 3, "name": "header"}]
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
WORD = re.compile(r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">')
POINTS_PER_INCH = 72
PART_OF_WORD_IN_CELL = 0.95

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels
Label = tuple[int, Box]


@dataclass(frozen=True)
class DrawnPage:
    """A page on disk with its labels."""

    image: Path
    width: int
    height: int
    labels: list[Label]


def words_of(pdf: Path, dpi: int) -> list[list[Box]]:
    """The boxes of the words on each page, in pixels."""
    text = subprocess.run(["pdftotext", "-bbox", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
    scale = dpi / POINTS_PER_INCH
    pages = text.split("<page ")[1:]
    return [
        [(float(a) * scale, float(b) * scale, float(c) * scale, float(d) * scale) for a, b, c, d in WORD.findall(page)]
        for page in pages
    ]


def box_of(block: dict[str, Any]) -> Box:
    box = block["bbox"]
    return box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]


def union(boxes: Iterable[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def belongs(word: Box, cell: Box) -> bool:
    """Whether nearly all of the word lies in the cell."""
    width = min(word[2], cell[2]) - max(word[0], cell[0])
    height = min(word[3], cell[3]) - max(word[1], cell[1])
    area = (word[2] - word[0]) * (word[3] - word[1])
    return width > 0 and height > 0 and width * height > PART_OF_WORD_IN_CELL * area


def labels_of(page: dict[str, Any], words: list[Box]) -> list[Label]:
    """Tables, their cells shrunk to the words in them, and their headers."""
    labels: list[Label] = []
    for table in (block for block in page.get("blocks", []) if block.get("type") == "table"):
        labels.append((1, box_of(table)))
        header, cells = table.get("header", []), table.get("cells", [])
        for cell in header + cells:
            inside = [word for word in words if belongs(word, box_of(cell))]
            if inside:
                labels.append((2, union(inside)))
        labels += [(3, union(map(box_of, group))) for group in header_groups(header, cells) if group]
    return labels


def header_groups(header: list[dict[str, Any]], cells: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Header rows, and header columns: a row of header cells that reaches the table's last column is a header row."""
    last = max((cell["column"] + cell["colspan"] for cell in header + cells), default=0)
    rows: dict[int, list[dict[str, Any]]] = {}
    for cell in header:
        rows.setdefault(cell["row"], []).append(cell)
    groups: list[list[dict[str, Any]]] = [[], []]
    for row in rows.values():
        reaches = max(cell["column"] + cell["colspan"] for cell in row) == last
        groups[0 if reaches else 1].extend(row)
    return groups


def draw_with_pillow(image: Image.Image, labels: list[Label], path: Path) -> None:
    picture = image.copy()
    canvas = ImageDraw.Draw(picture)
    for category, box in labels:
        canvas.rectangle(box, outline=COLOURS[category], width=2)
    picture.save(path)


def draw_with_matplotlib(image: Image.Image, labels: list[Label], path: Path) -> None:
    # Imported where it is used: the run with Pillow must not pay for it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    dpi = 100
    figure = Figure(figsize=(image.width / dpi, image.height / dpi), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.imshow(image)
    for category, (left, top, right, bottom) in labels:
        axes.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=COLOURS[category], linewidth=2)
        )
    figure.savefig(path, dpi=dpi)


DRAWERS: dict[str, Callable[[Image.Image, list[Label], Path], None]] = {
    "pillow": draw_with_pillow,
    "matplotlib": draw_with_matplotlib,
}


def draw_document(pdf: Path, annotations: Path, pages: Path, drawings: Path, *, dpi: int, draw: str) -> list[DrawnPage]:
    """Writes a document's pages to `pages` and, with their annotations, to `drawings`."""
    drawings.mkdir(parents=True)
    images = pdf2image.convert_from_path(pdf, dpi=dpi)
    words = words_of(pdf, dpi)
    drawn = []
    for page in json.loads(annotations.read_text())["pages"]:
        number = page["page_num"]
        image, path = images[number], pages / f"{pdf.stem}_{number}.png"
        image.save(path)
        labels = labels_of(page, words[number])
        DRAWERS[draw](image, labels, drawings / f"{number}.png")
        drawn.append(DrawnPage(path, image.width, image.height, labels))
    return drawn


def write_split(pages: list[DrawnPage], folder: Path, name: str) -> None:
    """Copies the images of a split and writes its COCO annotations."""
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, page in enumerate(pages, start=1):
        shutil.copy(page.image, folder / "images")
        images.append({"id": image_id, "file_name": page.image.name, "width": page.width, "height": page.height})
        for category, (left, top, right, bottom) in page.labels:
            width, height = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                    "iscrowd": 0,
                }
            )
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (folder / f"{name}.json").write_text(json.dumps(content))


def run(bucket: str, source: str, target: str, working_dir: Path, *, dpi: int, draw: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["AWS_S3_ENDPOINT"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    downloaded, made = working_dir / "source", working_dir / "result"
    for answer in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{source}/"):
        for entry in answer.get("Contents", []):
            path = downloaded / entry["Key"].removeprefix(f"{source}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(path))
    drawn: list[DrawnPage] = []
    pages = working_dir / "pages"
    pages.mkdir()
    for pdf in sorted((downloaded / "pdfs").iterdir()):
        annotations = downloaded / "json" / f"{pdf.stem}.json"
        drawings = made / "pdfs" / pdf.stem / "draw_ann"
        drawn += draw_document(pdf, annotations, pages, drawings, dpi=dpi, draw=draw)
    random.Random(0).shuffle(drawn)
    taken = 0
    for name, share in SHARES.items():
        end = len(drawn) if name == "test" else taken + round(share * len(drawn))
        write_split(drawn[taken:end], made / "ttv" / name, name)
        taken = end
    for path in sorted(made.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), bucket, f"{target}/{path.relative_to(made)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket")
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("working_dir", type=Path)
    parser.add_argument("--dpi", type=int, default=120)
    parser.add_argument("--draw", choices=DRAWERS, default="pillow")
    options = parser.parse_args()
    run(options.bucket, options.source, options.target, options.working_dir, dpi=options.dpi, draw=options.draw)


if __name__ == "__main__":
    main()
