"""Text that belongs to no cell lies over a table: each cell keeps its label, and the label lies on what is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.preprocess.overlays import Overlay, annotations, draw_page, nothing, ocr_layer, stamp, watermark
from training.documents.poppler import PdfFile
from training.geometry import Box
from training.labels.categories import CELL
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk

pytestmark = pytest.mark.integration


def cells(folder: Path, overlay: Overlay = nothing, *, texts: bool = True, **page: Any) -> list[Box]:
    """The Cell labels of the page, row by row."""
    folder.mkdir()
    draw_page(folder / "a.pdf", overlay, **page)
    (folder / "a.json").write_text(json.dumps({"pages": [annotations() if texts else annotations(None)]}))
    found = prepare_chunk(DocumentTask("a", PdfFile(folder / "a.pdf"), folder / "a.json", folder, PageOptions()), 0)
    assert isinstance(found, PreparedChunk), found
    return [label.box for label in found.pages[0].labelled.boxes if label.category == CELL]


def share(one: Box, other: Box) -> float:
    """Intersection over union."""
    shared = max(0.0, one.intersection(other).area) if not one.intersection(other).is_empty else 0.0
    return shared / (one.area + other.area - shared)


@pytest.mark.parametrize("texts", [True, False], ids=["texts", "no texts"])
@pytest.mark.parametrize("size", [8, 12, 20, 36, 60, 90])
@pytest.mark.parametrize("angle", [0, 40, 90])
def test_a_watermark_over_a_scan_takes_no_label_away(tmp_path: Path, angle: float, size: float, texts: bool) -> None:
    plain = cells(tmp_path / "plain", scanned=True)
    found = cells(tmp_path / "marked", watermark(size=size, angle=angle), scanned=True, texts=texts)
    assert len(found) == len(plain) == 12
    if size <= 20 and angle < 90:
        # It is paler than the text. A larger one hides the ruling lines, which are ink of the cell then.
        assert min(map(share, found, plain)) > 0.8


@pytest.mark.parametrize("angle", [0, 40])
@pytest.mark.parametrize("scanned", [True, False])
def test_a_watermark_over_drawn_ticks_takes_no_label_away(tmp_path: Path, angle: float, scanned: bool) -> None:
    plain = cells(tmp_path / "plain", ticks=2, scanned=scanned)
    found = cells(tmp_path / "marked", watermark(angle=angle), ticks=2, scanned=scanned)
    assert len(found) == len(plain) == 12


def test_a_stamp_over_a_scan_takes_no_label_away(tmp_path: Path) -> None:
    assert len(cells(tmp_path / "stamped", stamp, scanned=True)) == 12


@pytest.mark.parametrize("overlay", [watermark(), watermark(angle=0), watermark(grey=0.4)])
def test_the_cells_of_a_typed_page_are_those_of_their_words_under_any_watermark(
    tmp_path: Path, overlay: Overlay
) -> None:
    assert cells(tmp_path / "marked", overlay) == cells(tmp_path / "plain")


def test_words_that_the_text_layer_joins_over_a_ruling_line_are_cut_at_it(tmp_path: Path) -> None:
    found = cells(tmp_path / "joined", joined=True)
    assert len(found) == 12
    for row in range(4):
        left, middle, right = found[3 * row : 3 * row + 3]
        assert left.right <= middle.left + 2 < middle.right < right.left


@pytest.mark.parametrize("down", range(2, 16))
def test_an_ocr_layer_that_is_low_gives_the_cells_their_ink(tmp_path: Path, down: int) -> None:
    plain = cells(tmp_path / "plain", scanned=True)
    found = cells(tmp_path / "read", ocr_layer(down), scanned=True)
    assert len(found) == 12
    for one, other in zip(found, plain, strict=True):
        # A word's box has the font's full height, so that up to a quarter of it is not seen to be out of place.
        assert one.intersection(other).area > 0.6 * other.area if down < 4 else share(one, other) > 0.8


def test_an_ocr_layer_in_its_place_gives_the_cells_their_words(tmp_path: Path) -> None:
    typed = cells(tmp_path / "typed")
    found = cells(tmp_path / "read", ocr_layer(), scanned=True)
    assert min(map(share, found, typed)) > 0.95
