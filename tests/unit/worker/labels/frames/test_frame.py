"""The unit of the annotations' boxes: found, or stated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.labelled import label_drawn
from tests.support.preprocess.words import words_at
from training.badgerdoc.document import Block, Cell, Page, PixelBox
from training.documents.quarantine import DocumentError, Reason
from training.errors import ConfigError
from training.geometry import Box
from training.labels.categories import LabelledBox
from training.labels.frames.frame import AUTO, Coordinates

WIDTH, HEIGHT, DPI = 1000, 1400, 120
WORDS = words_at([Box(110, 105, 190, 125), Box(210, 105, 290, 125)])


def no_ink(_: Box) -> None:
    return None


def page(scale: float, *, has_box: bool = True, shape: tuple[float, float] = (WIDTH, HEIGHT)) -> Page:
    """A table with two cells, expressed at `scale` times the resolution of the image."""

    def box(left: float, top: float, width: float, height: float) -> PixelBox:
        return PixelBox(left=left * scale, top=top * scale, width=width * scale, height=height * scale)

    cells = tuple(Cell(row=0, column=n, bbox=box(100 + 100 * n, 100, 100, 30)) for n in range(2))
    table = Block(type="table", bbox=box(100, 100, 200, 30), cells=cells)
    return Page(page_num=0, bbox=box(0, 0, *shape) if has_box else None, blocks=(table,))


def labels(found: Page, coordinates: Coordinates) -> list[LabelledBox]:
    return label_drawn(found, WIDTH, HEIGHT, WORDS, no_ink, coordinates=coordinates).boxes


@pytest.mark.parametrize("text", ["auto", "points", "36dpi", "400dpi", "1200dpi"])
def test_what_is_stated_is_given_back(text: str) -> None:
    assert str(Coordinates.parse(text)) == text


@pytest.mark.parametrize("text", ["", "dpi", "35dpi", "1201dpi", "120", "120 dpi", "-1dpi", "Auto", "1e2dpi"])
def test_anything_else_is_a_wrong_option(text: str) -> None:
    with pytest.raises(ConfigError, match="--coordinates"):
        Coordinates.parse(text)


@given(st.floats(0.2, 8))
def test_any_scale_gives_the_same_labels(scale: float) -> None:
    expected = labels(page(1), AUTO)
    found = labels(page(scale), AUTO)
    assert [label.category for label in found] == [label.category for label in expected]
    for one, other in zip(found, expected, strict=True):
        assert max(abs(a - b) for a, b in zip(one[1:], other[1:], strict=True)) <= 1


@pytest.mark.parametrize(("stated", "scale"), [("points", 72 / DPI), ("400dpi", 400 / DPI), ("120dpi", 1)])
@pytest.mark.parametrize("has_box", [True, False])
def test_a_stated_unit_needs_no_page_box(stated: str, scale: float, has_box: bool) -> None:
    assert labels(page(scale, has_box=has_box), Coordinates.parse(stated)) == labels(page(1), AUTO)


@pytest.mark.parametrize(
    ("found", "coordinates"),
    [
        (page(1, has_box=False), AUTO),
        (page(1, shape=(WIDTH, 1000)), AUTO),
        (page(1), Coordinates.parse("points")),
        (page(1, shape=(WIDTH * 2, HEIGHT)), Coordinates.parse("120dpi")),
    ],
)
def test_boxes_that_cannot_be_brought_to_the_page_are_an_error(found: Page, coordinates: Coordinates) -> None:
    with pytest.raises(DocumentError) as caught:
        labels(found, coordinates)
    assert caught.value.quarantine_reason is Reason.COORDINATES


def test_a_unit_that_contradicts_the_page_says_what_the_page_would_measure() -> None:
    with pytest.raises(DocumentError) as caught:
        labels(page(1), Coordinates.parse("points"))
    assert "1000 x 1400 in the JSON, with --coordinates points 1666.67 x 2333.33 pixels" in str(caught.value)
