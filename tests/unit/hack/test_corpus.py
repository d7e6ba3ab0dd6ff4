"""What the corpus draws: exact labels, the same ones each time."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from hack.documents.corpus import draw_corpus, draw_document
from hack.documents.tables import sketch_table
from hack.documents.text import FONTS, register_fonts

SEEDS = range(40)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("drawn") / "drawn.pdf"
    return [draw_document(path, random.Random(seed), pages=2, dpi=120) for seed in SEEDS]


def corners(box: dict[str, int]) -> tuple[int, int, int, int]:
    return box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]


def lies_in(inner: dict[str, int], outer: dict[str, int]) -> bool:
    left, top, right, bottom = corners(inner)
    within = corners(outer)
    return left >= within[0] and top >= within[1] and right <= within[2] and bottom <= within[3]


def tables_of(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in page["blocks"] if block["type"] == "table"]


def test_every_first_page_has_a_table_and_some_pages_have_none(documents: list[dict[str, Any]]) -> None:
    assert all(tables_of(document["pages"][0]) for document in documents)
    assert any(not tables_of(document["pages"][1]) for document in documents)


def test_tables_lie_on_their_page_and_cells_in_their_table(documents: list[dict[str, Any]]) -> None:
    for page in (page for document in documents for page in document["pages"]):
        for table in tables_of(page):
            assert lies_in(table["bbox"], page["bbox"])
            assert all(lies_in(cell["bbox"], table["bbox"]) for cell in table["header"] + table["cells"])


def test_tables_of_a_page_and_cells_of_a_table_do_not_overlap(documents: list[dict[str, Any]]) -> None:
    def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
        a, b = corners(one), corners(other)
        return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])

    for page in (page for document in documents for page in document["pages"]):
        tables = tables_of(page)
        for one, other in itertools.combinations(tables, 2):
            assert not overlap(one["bbox"], other["bbox"])
        for table in tables:
            for first, second in itertools.combinations(table["header"] + table["cells"], 2):
                assert not overlap(first["bbox"], second["bbox"])


def test_every_place_of_a_grid_belongs_to_one_cell(documents: list[dict[str, Any]]) -> None:
    for page in (page for document in documents for page in document["pages"]):
        for table in tables_of(page):
            places = [
                (cell["row"] + row, cell["column"] + column)
                for cell in table["header"] + table["cells"]
                for row in range(cell["rowspan"])
                for column in range(cell["colspan"])
            ]
            rows, columns = (max(numbers) + 1 for numbers in zip(*places, strict=True))
            assert sorted(places) == list(itertools.product(range(rows), range(columns)))


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        draw_corpus(tmp_path / name, documents=8, seed=5)
    files = [sorted(path for path in (tmp_path / name).rglob("*.*")) for name in ("one", "other")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert json.loads(files[0][0].read_bytes())["doc_name"] == "document-0001.pdf"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_fits_into_its_room_or_there_is_none(seed: int) -> None:
    register_fonts()
    rng = random.Random(seed)
    for room, width in ((30.0, 200.0), (90.0, 120.0), (400.0, 480.0), (700.0, 700.0)):
        sketch = sketch_table(rng, FONTS[0], room, width)
        if sketch is not None:
            assert sketch.height <= room
            assert sketch.width <= width + 1e-6
