"""`convert`: annotations in other formats become documents that preprocess takes."""

import json
import weakref
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from hack.documents.corpus import draw_corpus
from hack.s3.server import S3Server
from tests.support.annotations.command import run_annotations
from tests.support.preprocess.command import run_preprocess, upload
from training.annotations.importers.image_pdf import write_pdf
from training.dataset.split import SPLITS
from training.documents.poppler import PdfFile
from training.documents.render import page_sizes
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

DOCUMENTS = 10
Labels = dict[str, list[tuple[int, tuple[int, ...]]]]  # category and edges, by the image's name
# A table of two columns and three rows; the first row is its header, the last one cell.
TABLE, HEADER = (40, 40, 360, 130), (40, 40, 360, 70)
CELLS = [(50, 48, 120, 62), (210, 48, 300, 62), (50, 78, 140, 92), (210, 78, 280, 92), (50, 108, 330, 122)]
BOXES = [("table", TABLE), ("header", HEADER), *(("Cell", cell) for cell in CELLS)]
SIZE = (400, 160)


def split_labels(coco: dict[str, Any]) -> Labels:
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    found: Labels = {name: [] for name in names.values()}
    for item in coco["annotations"]:
        left, top, width, height = item["bbox"]
        found[names[item["image_id"]]].append((item["category_id"], (left, top, left + width, top + height)))
    return found


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """The most that an edge of one box is from the same edge of the other."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def dataset_coco(folder: Path) -> dict[str, Any]:
    """The splits of a dataset as one COCO file."""
    merged: dict[str, Any] = defaultdict(list)
    for split in SPLITS:
        content = json.loads((folder / "ttv" / split / f"{split}.json").read_bytes())
        merged["images"] += content["images"]
        merged["annotations"] += content["annotations"]
        merged["categories"] = content["categories"]
    return dict(merged)


def prepare(source: Path, target: Path) -> dict[str, Any]:
    code, output, _ = run_preprocess("--source", source, "--working_dir", target)
    assert code == 0, output
    return dataset_coco(target)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn documents in `source`, their dataset in `out`, its labels in `coco.json`."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_corpus(folder / "source", documents=DOCUMENTS, seed=31)
    (folder / "coco.json").write_text(json.dumps(prepare(folder / "source", folder / "out")))
    return folder


def convert(*arguments: str | Path) -> str:
    code, output, errors = run_annotations("convert", *arguments)
    assert code == 0, output + errors
    return output


def test_a_dataset_that_goes_through_coco_gets_the_same_labels_within_one_pixel(dataset: Path, tmp_path: Path) -> None:
    pdfs = dataset / "source" / "pdfs"
    output = convert("--from", "coco", dataset / "coco.json", "--pdfs", pdfs, "--output", tmp_path / "documents")
    assert output.startswith(f"{tmp_path / 'documents'}: {DOCUMENTS} documents, ")
    assert run_annotations("validate", tmp_path / "documents")[0] == 0
    before = split_labels(json.loads((dataset / "coco.json").read_bytes()))
    after = split_labels(prepare(tmp_path / "documents", tmp_path / "out"))
    assert after.keys() == before.keys()
    for name, labels in before.items():
        left = list(after[name])
        for label in labels:
            near = next((other for other in left if other[0] == label[0] and distance(other[1], label[1]) <= 1), None)
            assert near is not None, (name, label)
            left.remove(near)
        assert left == [], name


def test_without_pdfs_the_page_images_become_the_pages_pixel_for_pixel(dataset: Path, tmp_path: Path) -> None:
    images = dataset / "out" / "ttv"
    convert("--from", "coco", dataset / "coco.json", "--images", images, "--output", tmp_path / "documents")
    before = json.loads((dataset / "coco.json").read_bytes())
    after = prepare(tmp_path / "documents", tmp_path / "out")
    one, other = (
        {image["file_name"]: (image["width"], image["height"]) for image in coco["images"]} for coco in (before, after)
    )
    assert one == other
    # A cell is shrunk to its ink, which is smaller than the box of its words; the tables stay as they are.
    tables = [
        {name: sorted(box for category, box in labels if category == 1) for name, labels in split_labels(coco).items()}
        for coco in (before, after)
    ]
    assert tables[0] == tables[1]


def draw_page(path: Path) -> None:
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    for cell in CELLS:
        draw.rectangle((cell[0], cell[1], cell[2] - 1, cell[3] - 1), fill="black")
    image.save(path, quality=95)


def write_coco(folder: Path, boxes: list[tuple[str, tuple[int, ...]]] = BOXES) -> Path:
    names = ["table", "Cell", "header"]
    content = {
        "images": [{"id": 1, "file_name": "scan.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": names.index(label) + 1,
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            }
            for number, (label, box) in enumerate(boxes, 1)
        ],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return folder / "coco.json"


def write_label_studio(folder: Path) -> Path:
    result = [
        {
            "type": "rectanglelabels",
            "original_width": SIZE[0],
            "original_height": SIZE[1],
            "value": {
                "x": 100 * left / SIZE[0],
                "y": 100 * top / SIZE[1],
                "width": 100 * (right - left) / SIZE[0],
                "height": 100 * (bottom - top) / SIZE[1],
                "rectanglelabels": [label],
            },
        }
        for label, (left, top, right, bottom) in BOXES
    ]
    tasks = [{"id": 1, "data": {"image": "/data/upload/1/41bda93a-scan.jpg"}, "annotations": [{"result": result}]}]
    (folder / "tasks.json").write_text(json.dumps(tasks))
    return folder / "tasks.json"


def write_cvat(folder: Path) -> Path:
    boxes = "".join(
        f'<box label="{label}" xtl="{x1}.00" ytl="{y1}.00" xbr="{x2}.00" ybr="{y2}.00" occluded="0"/>'
        for label, (x1, y1, x2, y2) in BOXES
    )
    (folder / "annotations.xml").write_text(
        f'<annotations><version>1.1</version><image id="0" name="scan.jpg" width="{SIZE[0]}" height="{SIZE[1]}">{boxes}'
        "</image></annotations>"
    )
    return folder / "annotations.xml"


@pytest.mark.parametrize(
    ("source_format", "write"), [("coco", write_coco), ("label-studio", write_label_studio), ("cvat", write_cvat)]
)
def test_the_boxes_of_each_tool_become_a_table_with_rows_columns_and_header(
    source_format: str, write: Any, tmp_path: Path
) -> None:
    draw_page(tmp_path / "scan.jpg")
    output = convert("--from", source_format, write(tmp_path), "--output", tmp_path / "out")
    assert "1 documents, 1 pages, 1 tables, 5 cells" in output
    document = json.loads((tmp_path / "out/json/scan.json").read_bytes())
    assert document["importedFrom"] == source_format
    [page] = document["pages"]
    assert page["bbox"] == {"left": 0, "top": 0, "width": SIZE[0], "height": SIZE[1]}
    [table] = page["blocks"]
    assert [(cell["row"], cell["column"]) for cell in table["header"]] == [(0, 0), (0, 1)]
    assert [(cell["row"], cell["column"]) for cell in table["cells"]][:2] == [(1, 0), (1, 1)]
    assert run_annotations("validate", tmp_path / "out")[0] == 0


def test_pubtables_1m_becomes_tables_with_texts(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("images", "test", "words"):
        (source / folder).mkdir(parents=True)
    draw_page(source / "images" / "PMC1_table_0.jpg")
    objects = [
        ("table", TABLE),
        ("table column header", HEADER),
        ("table spanning cell", (40, 100, 360, 130)),
        *(("table row", (40, 40 + 30 * row, 360, 70 + 30 * row)) for row in range(3)),
        *(("table column", (40 + 160 * column, 40, 200 + 160 * column, 130)) for column in range(2)),
    ]
    parts = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        "</object>"
        for name, (x1, y1, x2, y2) in objects
    )
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
    (source / "test" / "PMC1_table_0.xml").write_text(f"<annotation>{size}{parts}</annotation>")
    words = [{"text": f"word{number}", "bbox": cell} for number, cell in enumerate(CELLS)]
    (source / "words" / "PMC1_table_0_words.json").write_text(json.dumps(words))
    convert("--from", "pubtables-1m", source, "--output", tmp_path / "out")
    [table] = json.loads((tmp_path / "out/json/PMC1_table.json").read_bytes())["pages"][0]["blocks"]
    assert [(cell["colspan"], cell["text"]) for cell in table["header"] + table["cells"]] == [
        (1, "word0"),
        (1, "word1"),
        (1, "word2"),
        (1, "word3"),
        (2, "word4"),
    ]
    assert run_annotations("validate", tmp_path / "out")[0] == 0


def test_a_document_that_cannot_be_written_is_left_out_and_the_others_are_not(tmp_path: Path) -> None:
    coco = json.loads(write_coco(tmp_path).read_bytes())
    coco["images"] += [
        {"id": 2, "file_name": "absent.jpg", "width": 10, "height": 10},
        {"id": 3, "file_name": "other.jpg", "width": 10, "height": 10},
        {"id": 4, "file_name": "broken.jpg", "width": 10, "height": 10},
    ]
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    for name in ("scan", "other"):
        draw_page(tmp_path / f"{name}.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    arguments = ("convert", "--from", "coco", tmp_path / "coco.json", "--output", tmp_path / "out")
    code, output, errors = run_annotations(*arguments)
    assert code == 65
    assert "absent.jpg: left out: The image absent.jpg is not in" in output
    assert "other: left out: The image other.jpg has 400 x 160 pixels, but its annotations are of 10 x 10" in output
    assert "broken: left out: The image broken.jpg cannot be read" in output
    assert "3 documents or images were left out" in errors
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["scan.json", "scan.pdf"]
    code, _, errors = run_annotations(*arguments)
    assert code == 64
    assert "name an empty folder in --output" in errors


def test_it_converts_from_s3_to_s3(s3_environment: S3Server, tmp_path: Path) -> None:
    write_coco(tmp_path)
    draw_page(tmp_path / "scan.jpg")
    bucket = s3_environment.new_bucket()
    upload(tmp_path, open_storage(f"s3://{bucket}/export"))
    source, target = f"s3://{bucket}/export/coco.json", f"s3://{bucket}/documents"
    code, output, errors = run_annotations(
        "convert", "--from", "coco", source, "--output", target, environment=s3_environment.environment
    )
    assert code == 0, output + errors
    assert {item.key for item in open_storage(target).list_objects()} == {"pdfs/scan.pdf", "json/scan.json"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--from", "voc"], "--from"),
        (["--pdfs", "a", "--images", "b"], "exclude each other"),
        (["--label", "x"], "write LABEL=NAME"),
    ],
)
def test_wrong_options_are_refused(options: list[str], says: str, tmp_path: Path) -> None:
    source = write_coco(tmp_path)
    code, _, errors = run_annotations("convert", "--from", "coco", source, "--output", tmp_path / "out", *options)
    assert code == 64
    assert says in errors


def test_a_long_pdf_of_images_is_written_page_after_page_always_with_the_same_bytes(tmp_path: Path) -> None:
    made: list[weakref.ref[Image.Image]] = []

    def pictures() -> Iterator[Image.Image]:
        for number in range(12):
            assert sum(picture() is not None for picture in made) <= 1, "all images are kept in memory"
            picture = Image.new("RGB", (300 + number, 200), (number, 0, 0))
            made.append(weakref.ref(picture))
            yield picture
            del picture

    for name in ("a.pdf", "b.pdf"):
        made.clear()
        write_pdf(tmp_path / name, pictures(), title="Überblick", dpi=120)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert [size.pixels(120) for size in page_sizes(PdfFile(tmp_path / "a.pdf"))] == [
        (300 + number, 200) for number in range(12)
    ]
