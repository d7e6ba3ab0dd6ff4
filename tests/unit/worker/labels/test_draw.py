"""Pages with their labels drawn on them."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageColor

from training.labels.categories import CELL, COLOURS, HEADER, TABLE, LabelledBox
from training.labels.draw import draw_page

WIDTH, HEIGHT = 600, 800
LABELS = [
    LabelledBox(TABLE, 60, 80, 480, 400),
    LabelledBox(CELL, 100, 200, 100, 40),
    LabelledBox(HEADER, 60, 80, 480, 100),
]


def blank_page(scale: float = 0.5) -> Image.Image:
    return Image.new("RGB", (round(WIDTH * scale), round(HEIGHT * scale)), "white")


def assert_colour(picture: Image.Image, place: tuple[int, int], category: int) -> None:
    found, expected = picture.getpixel(place), ImageColor.getrgb(COLOURS[category])
    assert isinstance(found, tuple)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 70, (place, found, expected)


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_labels_have_the_colours_of_their_classes_where_they_are_on_the_page(tmp_path: Path, scale: float) -> None:
    picture = blank_page(scale)
    draw_page(picture, WIDTH, LABELS, tmp_path / "0.jpg")
    for place, category in (((60, 400), TABLE), ((300, 480), TABLE), ((150, 200), CELL), ((300, 180), HEADER)):
        assert_colour(picture, (round(place[0] * scale), round(place[1] * scale)), category)
    for place in ((30, 40), (300, 300), (150, 220)):
        assert picture.getpixel((round(place[0] * scale), round(place[1] * scale))) == (255, 255, 255), place
    with Image.open(tmp_path / "0.jpg") as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", picture.size)


def test_a_cell_at_the_edge_of_its_header_is_seen_whatever_their_order(tmp_path: Path) -> None:
    labels = [LabelledBox(CELL, 100, 100, 200, 60), LabelledBox(HEADER, 100, 100, 200, 60)]
    picture = blank_page(1)
    draw_page(picture, WIDTH, labels, tmp_path / "0.jpg")
    assert_colour(picture, (200, 100), CELL)


def test_a_page_without_labels_is_drawn_too_since_only_there_a_missed_table_is_seen(tmp_path: Path) -> None:
    thumbnail = draw_page(blank_page(), WIDTH, [], tmp_path / "0.jpg")
    assert (tmp_path / "0.jpg").stat().st_size > 0
    with Image.open(io.BytesIO(thumbnail)) as small:
        assert (small.format, small.size) == ("JPEG", (100, 134))


def test_the_thumbnail_of_a_page_full_of_labels_is_a_few_kilobytes(tmp_path: Path) -> None:
    picture = Image.effect_noise((496, 702), 20).convert("RGB")
    cells = [LabelledBox(CELL, 20 + 90 * (i % 10), 40 + 25 * (i // 10), 80, 20) for i in range(500)]
    thumbnail = draw_page(picture, 992, [LabelledBox(TABLE, 10, 10, 970, 1300), *cells], tmp_path / "0.jpg")
    assert len(thumbnail) < 15_000
