"""Detections become tables, and the tables BadgerDoc JSON that preprocess reads."""

import json
import random

import pytest

from tests.support.preprocess.labelled import label_drawn
from training.badgerdoc.document import Page
from training.badgerdoc.writer import page_json
from training.documents.quarantine import DocumentError, Reason
from training.geometry import Box, Word
from training.infer.tables import annotations, labels, predict_page
from training.labels.categories import CELL, HEADER, TABLE
from training.model.detections import Detection

WIDTH, HEIGHT = 600, 800
TABLE_BOX = Box(50, 100, 450, 220)
HEADER_BOX = Box(50, 100, 450, 140)
CELLS = [
    Box(60 + 130 * column, 110 + 40 * row, 160 + 130 * column, 128 + 40 * row)
    for row in range(3)
    for column in range(3)
]
WORDS = [
    Word(Box(cell.left + 2, cell.top + 2, cell.left + 40, cell.bottom - 2), f"text {index}")
    for index, cell in enumerate(CELLS)
]
DETECTIONS = [
    Detection(TABLE, 0.99, TABLE_BOX),
    Detection(HEADER, 0.9, HEADER_BOX),
    *(Detection(CELL, 0.8, cell) for cell in CELLS),
]


def test_a_page_is_written_as_badgerdoc_writes_it() -> None:
    page = page_json(annotations(predict_page(4, WIDTH, HEIGHT, DETECTIONS, WORDS)))
    assert page["page_num"] == 4
    assert page["bbox"] == {"left": 0, "top": 0, "height": HEIGHT, "width": WIDTH}
    (block,) = page["blocks"]
    assert block["type"] == "table"
    assert block["bbox"] == {"left": 50, "top": 100, "height": 120, "width": 400}
    assert [(cell["row"], cell["column"], cell["text"]) for cell in block["header"]] == [
        (0, column, f"text {column}") for column in range(3)
    ]
    assert [(cell["row"], cell["column"], cell["text"]) for cell in block["cells"]] == [
        (row, column, f"text {3 * row + column}") for row in (1, 2) for column in range(3)
    ]
    assert block["cells"][0] == {
        "row": 1,
        "column": 0,
        "rowspan": 1,
        "colspan": 1,
        "bbox": {"left": 60, "top": 150, "height": 18, "width": 100},
        "text": "text 3",
    }


def test_preprocess_makes_of_the_json_the_labels_that_were_detected() -> None:
    text = json.dumps(page_json(annotations(predict_page(0, WIDTH, HEIGHT, DETECTIONS, WORDS))))
    found = label_drawn(Page.model_validate_json(text), WIDTH, HEIGHT, WORDS, lambda _: None).boxes
    assert [label.category for label in found].count(TABLE) == 1
    assert [label.category for label in found].count(HEADER) == 1
    # Shrunk to the words in them, as ever.
    assert {label[1:] for label in found if label.category == CELL} == {
        (word.box.left, word.box.top, word.box.width, word.box.height) for word in WORDS
    }


def test_the_order_of_the_detections_changes_nothing() -> None:
    expected = predict_page(0, WIDTH, HEIGHT, DETECTIONS, WORDS)
    for seed in range(5):
        shuffled = random.Random(seed).sample(DETECTIONS, len(DETECTIONS))
        assert predict_page(0, WIDTH, HEIGHT, shuffled, WORDS) == expected


def test_a_page_without_a_table_is_there_without_blocks() -> None:
    assert page_json(annotations(predict_page(1, WIDTH, HEIGHT, [], [])))["blocks"] == []


def test_cells_and_headers_in_no_table_are_left_out_and_each_table_has_its_own() -> None:
    below = [Detection(category, score, box.shifted(0, 300)) for category, score, box in DETECTIONS]
    lost = [Detection(CELL, 0.9, Box(500, 20, 560, 40)), Detection(HEADER, 0.9, Box(60, 700, 400, 740))]
    page = predict_page(0, WIDTH, HEIGHT, below + DETECTIONS + lost, WORDS)
    assert [table.box for table in page.tables] == [TABLE_BOX, TABLE_BOX.shifted(0, 300)]
    assert [len(table.cells) for table in page.tables] == [9, 9]
    assert [table.headers for table in page.tables] == [(HEADER_BOX,), (HEADER_BOX.shifted(0, 300),)]


def test_what_was_detected_twice_counts_once_and_the_surer_one_stays() -> None:
    again = [Detection(category, score / 2, box.shifted(3, 2)) for category, score, box in DETECTIONS]
    assert predict_page(0, WIDTH, HEIGHT, again + DETECTIONS, WORDS) == predict_page(
        0, WIDTH, HEIGHT, DETECTIONS, WORDS
    )


def test_boxes_are_whole_pixels_within_the_page_and_slivers_at_its_edge_are_none() -> None:
    detections = [
        Detection(TABLE, 0.9, Box(-3.5, 10.2, WIDTH + 7.9, 300.7)),
        Detection(CELL, 0.9, Box(-2.5, 20.4, 90.1, 40.6)),
        Detection(CELL, 0.9, Box(WIDTH + 1, 20, WIDTH + 9, 40)),
    ]
    (table,) = predict_page(0, WIDTH, HEIGHT, detections, []).tables
    assert table.box == Box(0, 10, WIDTH, 301)
    assert [cell.place.box for cell in table.cells] == [Box(0, 20, 91, 41)]


def test_tables_cells_and_headers_are_drawn() -> None:
    found = labels(predict_page(0, WIDTH, HEIGHT, DETECTIONS, WORDS))
    assert [label.category for label in found] == [TABLE, *[CELL] * 9, HEADER]
    assert found[0] == (TABLE, 50, 100, 400, 120)


def test_a_page_with_more_words_than_preprocess_takes_is_refused() -> None:
    words = [Word(Box(x, y, x + 1, y + 1), "w") for x in range(150) for y in range(140)]
    with pytest.raises(DocumentError, match="Page 3 has 21,000 words, more than 20,000; split it") as refused:
        predict_page(3, WIDTH, HEIGHT, DETECTIONS, words)
    assert refused.value.quarantine_reason is Reason.TOO_LARGE
