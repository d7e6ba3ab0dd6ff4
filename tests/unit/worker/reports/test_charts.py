"""Charts as SVG: valid and within their box whatever is drawn."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.reports.charts import HEIGHT, MAX_POINTS, WIDTH, Chart, Line, Mark, figure, label, smoothed, svg, ticks

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
POINTS = st.lists(st.tuples(NUMBERS, st.none() | NUMBERS), max_size=50)


def chart(*lines: Line, x_end: float = 3.0, marks: tuple[Mark, ...] = (), title: str = "Loss") -> Chart:
    return Chart(title=title, lines=lines, x_name="epoch", x_end=x_end, marks=marks)


def line(*values: float | None, name: str = "loss") -> Line:
    return Line(name=name, points=[(float(x), y) for x, y in enumerate(values)], colour=0)


def drawn(found: Chart) -> ElementTree.Element:
    return ElementTree.fromstring("".join(svg(found)))  # noqa: S314  our own


def coordinates(element: ElementTree.Element) -> list[tuple[float, float]]:
    """All places of a path."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", element.get("d", ""))]


@given(st.lists(POINTS, max_size=3), NUMBERS, st.lists(NUMBERS, max_size=4), st.text())
def test_whatever_it_holds_a_chart_is_valid_and_stays_within_its_box(
    series: list[list[tuple[float, float | None]]], x_end: float, marks: list[float], title: str
) -> None:
    # XML has no character for some of what text can hold; names here come from configs and file names.
    title = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "", title)
    lines = [Line(name=title, points=points, colour=index) for index, points in enumerate(series)]
    root = drawn(
        chart(*lines, x_end=x_end, marks=tuple(Mark(x=x, label="2", meaning=title) for x in marks), title=title)
    )
    for element in root.iter():
        places = coordinates(element)
        for x_name, y_name in (("x", "y"), ("cx", "cy")):
            if element.get(x_name) is not None:
                places.append((float(element.get(x_name, "nan")), float(element.get(y_name, "nan"))))
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


@given(st.floats(-1e99, 1e99), st.floats(-1e99, 1e99))
def test_ticks_are_few_even_and_around_all_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    room = (found[-1] - found[0]) * 1e-5
    assert found[0] - room <= low
    assert found[-1] + room >= high
    assert all(before < after for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.25, 0.5, 0.75, 1]),
        (0.0, 3.0, [0, 1, 2, 3]),
        (0.0, 20.0, [0, 5, 10, 15, 20]),
        (1.51, 3.3, [1.5, 2, 2.5, 3, 3.5]),
        (0.0, 0.0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.25, ".25"), (-0.5, "-.5"), (3.0, "3"), (1250.0, "1250"), (1e-5, "1e-5"), (2.5e6, "2.5e6")],
)
def test_labels_are_short(value: float, expected: str) -> None:
    assert label(value) == expected


def test_what_was_not_measured_is_a_gap() -> None:
    paths = [
        element
        for element in drawn(chart(line(1.0, 2.0, None, 1.0, math.nan))).iter()
        if element.get("class") == "ink0"
    ]
    (path,) = (element for element in paths if element.get("d"))
    assert re.findall("[ML]", path.get("d", "")) == ["M", "L", "M"]


def test_nothing_measured_is_said() -> None:
    assert "nothing measured yet" in "".join(svg(chart(line(None, math.inf))))
    assert "nothing measured yet" in "".join(svg(chart()))


def test_many_points_are_averaged() -> None:
    content = "".join(svg(chart(line(*(float(x % 2) for x in range(100_000))), x_end=1e5)))
    assert content.count("L") < MAX_POINTS + 10
    assert len(content) < 12_000


def test_names_are_no_markup_and_are_told_where_there_are_several() -> None:
    content = figure(chart(line(1.0, name="<b>"), line(2.0, name="cells"), title="<i>"))
    assert "<b>" not in content.replace("<b>&lt;i&gt;</b>", "")
    assert "&lt;b&gt;</span>" in content
    assert "<i>" not in content
    assert 'aria-label="&lt;i&gt;; &lt;b&gt; from 1 to 1; cells from 2 to 2"' in content


def test_marks_that_are_close_share_a_label() -> None:
    marks = tuple(Mark(x=x, label="#2", meaning="stopped") for x in (1.0, 1.01, 2.0))
    content = "".join(svg(chart(line(1.0, 2.0), marks=marks)))
    assert content.count('class="mark"') == 3
    assert content.count(">#2<") == 2


def test_smoothing_leaves_few_points_alone_and_calms_many() -> None:
    few = [(float(x), float(x % 2)) for x in range(20)]
    assert smoothed(few) == few
    many = [y for _, y in smoothed([(float(x), float(x % 2)) for x in range(1000)])[20:-20]]
    assert all(y is not None and 0.45 < y < 0.55 for y in many)
    slope = [(float(x), 2.0 * x) for x in range(300)]
    assert smoothed(slope) == slope
    assert smoothed([(0.0, None), (1.0, math.nan)]) == [(0.0, None), (1.0, None)]
