"""Detected boxes are put together to tables."""

import random

from training.geometry import Box
from training.labels.categories import CELL, HEADER, TABLE
from training.model.detections import Detection
from training.tables.assembly import TableBoxes, assemble_tables

TABLE_BOX, HEADER_BOX, CELL_BOX = Box(50, 100, 250, 200), Box(50, 100, 250, 140), Box(60, 110, 90, 120)
DETECTIONS = [Detection(TABLE, 0.9, TABLE_BOX), Detection(HEADER, 0.8, HEADER_BOX), Detection(CELL, 0.7, CELL_BOX)]


def test_a_table_holds_the_cells_and_headers_that_lie_in_it() -> None:
    elsewhere = [Detection(CELL, 0.9, Box(300, 110, 330, 120)), Detection(HEADER, 0.9, Box(50, 300, 250, 340))]
    assert assemble_tables(400, 400, DETECTIONS + elsewhere) == [TableBoxes(TABLE_BOX, (CELL_BOX,), (HEADER_BOX,))]


def test_tables_come_by_their_scores_whatever_the_order_of_the_detections() -> None:
    surer = [Detection(category, score + 0.05, box.shifted(0, 150)) for category, score, box in DETECTIONS]
    expected = assemble_tables(400, 400, DETECTIONS + surer)
    assert [table.box for table in expected] == [TABLE_BOX.shifted(0, 150), TABLE_BOX]
    for seed in range(5):
        assert assemble_tables(400, 400, random.Random(seed).sample(DETECTIONS + surer, 6)) == expected


def test_boxes_are_cut_to_whole_pixels_of_the_page_and_what_was_found_twice_counts_once() -> None:
    again = [Detection(TABLE, 0.5, TABLE_BOX.shifted(2, 2)), Detection(CELL, 0.6, CELL_BOX.shifted(1, 0))]
    beyond = [Detection(TABLE, 0.4, Box(-3.2, 250.5, 410, 300.2)), Detection(TABLE, 0.3, Box(401, 0, 420, 50))]
    assert [table.box for table in assemble_tables(400, 400, DETECTIONS + again + beyond)] == [
        TABLE_BOX,
        Box(0, 250, 400, 301),
    ]


def test_a_page_without_a_table_has_none_even_if_it_has_cells() -> None:
    assert assemble_tables(400, 400, DETECTIONS[1:]) == []
