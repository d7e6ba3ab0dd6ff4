"""Draws line charts as inline SVG, for a page that runs no script. Pure.

Colours are CSS classes of `training_style`, so that a chart follows the page's light or dark mode. Whatever numbers a
series holds, NaN and infinity included, the SVG is valid and stays within its box.
"""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 400, 220  # SVG user units; the page scales the chart
LEFT, RIGHT, TOP, BOTTOM = 46, 390, 16, 190  # edges of the plot area
MAX_POINTS = 400  # a line with more points is drawn by their averages
MAX_DOTS = 60  # a line with more points gets no dots
DRAWABLE = 1e100  # larger absolute values are treated as gaps
MARK_LABEL_WIDTH = 14.0
Point = tuple[float, float | None]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named series of (x, y), sorted by x. `colour` is an index into the palette; a faint line is background only."""

    name: str
    points: Sequence[Point]
    colour: int
    is_faint: bool = False


def label(value: float) -> str:
    """A number as a short text for an axis."""
    if value and not 1e-4 <= abs(value) < 1e5:
        digits, _, exponent = f"{value:.3g}".partition("e")
        return f"{digits}e{int(exponent)}" if exponent else digits
    return f"{value:.4g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else f"{value:.6g}"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An event at x: a dashed vertical line with a short label, and `meaning` as its tooltip."""

    x: float
    label: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over an x axis from 0 to `x_end`. The y axis always includes 0, so that a small change looks small."""

    title: str
    lines: Sequence[Line]
    x_name: str
    x_end: float
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Axis:
    """Maps values from `low` to `high` onto SVG units from `start` to `end`; values outside are clamped."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, part))


def figure(chart: Chart) -> str:
    """The chart as an HTML figure with its title and, if several lines have names, a legend."""
    named = [line for line in chart.lines if line.name]
    keys = "".join(
        f'<span class="line"><i class="ink{line.colour}"></i>{html.escape(line.name)}</span>'
        for line in (named if len(named) > 1 else [])
    )
    return (
        f"<figure><figcaption><b>{html.escape(chart.title)}</b> {keys}</figcaption>\n{''.join(svg(chart))}</figure>\n"
    )


def svg(chart: Chart) -> Iterator[str]:
    """The chart as an SVG element, in pieces."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(summary(chart))}">\n'
    )
    drawn = [(line, _thinned(_drawable(line.points))) for line in chart.lines]
    values = [y for _, points in drawn for _, y in points if y is not None]
    x_end = chart.x_end if math.isfinite(chart.x_end) and 0 < chart.x_end < DRAWABLE else 1.0
    x = Axis(0.0, x_end, LEFT, RIGHT)
    if values:
        marks_y = ticks(min(0.0, *values), max(0.0, *values))
        y = Axis(marks_y[0], marks_y[-1], BOTTOM, TOP)
        for value in marks_y:
            yield f'<path class="grid" d="M{LEFT} {y(value):.1f}H{RIGHT}"/>'
            yield f'<text class="y" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{label(value)}</text>\n'
        for value in ticks(0.0, x_end):
            if value <= x_end:
                yield f'<text class="x" x="{x(value):.1f}" y="{BOTTOM + 15}">{label(value)}</text>\n'
        yield f'<text class="name" x="{RIGHT}" y="{HEIGHT - 3}">{html.escape(chart.x_name)}</text>\n'
        yield from _marks(chart.marks, x)
        for line, points in drawn:
            yield from _line(line, points, x, y)
    else:
        middle = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
        yield f'<text class="x" x="{middle[0]:.0f}" y="{middle[1]:.0f}">nothing measured yet</text>'
    yield "</svg>\n"


def summary(chart: Chart) -> str:
    """The chart in words, for screen readers."""
    said = [chart.title]
    for line in chart.lines:
        values = [y for _, y in _drawable(line.points) if y is not None]
        if values and not line.is_faint:
            said.append(f"{line.name or chart.title} from {label(values[0])} to {label(values[-1])}")
    return "; ".join(said) if len(said) > 1 else f"{chart.title}: nothing measured yet"


def ticks(low: float, high: float) -> list[float]:
    """Two to eight round, evenly spaced numbers; the first is at most `low` and the last at least `high`."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-90):
        # A single value: show a tenth of it around it.
        room = abs(low) / 10 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(number * step, 12 - math.floor(math.log10(step))) for number in range(first, last + 1)]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """The moving average over about 1/25 of the points. A series of fewer than 50 points stays as it is."""
    drawable = _drawable(points)
    reach = len(points) // 50
    found: list[Point] = []
    for index, (x, y) in enumerate(drawable):
        near = min(reach, index, len(drawable) - 1 - index)  # equally far on both sides, so that a slope does not shift
        values = [value for _, value in drawable[index - near : index + near + 1] if value is not None]
        found.append((x, None if y is None else sum(values) / len(values)))
    return found


def _drawable(points: Sequence[Point]) -> list[Point]:
    """The points of finite x; a y that cannot be drawn becomes None, which makes a gap in the line."""
    return [
        (x, y if y is not None and math.isfinite(y) and abs(y) < DRAWABLE else None)
        for x, y in points
        if math.isfinite(x)
    ]


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most MAX_POINTS points: consecutive points are averaged in groups of equal size."""
    size = math.ceil(len(points) / MAX_POINTS)
    if size <= 1:
        return list(points)
    found: list[Point] = []
    for start in range(0, len(points), size):
        group = points[start : start + size]
        values = [y for _, y in group if y is not None]
        found.append((group[0][0], sum(values) / len(values) if values else None))
    return found


def _line(line: Line, points: Sequence[Point], x: Axis, y: Axis) -> Iterator[str]:
    steps: list[str] = []
    dots: list[str] = []
    is_broken = True
    for at, value in points:
        if value is not None:
            place = f"{x(at):.1f} {y(value):.1f}"
            steps.append(f"{'M' if is_broken else 'L'}{place}")
            dots.append(
                f'<circle class="ink{line.colour}" cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.4">'
                f"<title>{html.escape(line.name)} {label(value)} at {label(at)}</title></circle>"
            )
        is_broken = value is None
    faint = " faint" if line.is_faint else ""
    yield f'<path class="ink{line.colour}{faint}" d="{"".join(steps)}"/>\n'
    if not line.is_faint and len(dots) <= MAX_DOTS:
        yield "".join(dots)


def _marks(marks: Sequence[Mark], x: Axis) -> Iterator[str]:
    end_of_label = -math.inf
    for mark in sorted((mark for mark in marks if math.isfinite(mark.x)), key=lambda mark: mark.x):
        at = x(mark.x)
        yield f'<g class="mark"><title>{html.escape(mark.meaning)}</title><path d="M{at:.1f} {TOP - 3}V{BOTTOM}"/>'
        if at >= end_of_label:
            yield f'<text x="{at:.1f}" y="{TOP - 5}">{html.escape(mark.label)}</text>'
            end_of_label = at + MARK_LABEL_WIDTH
        yield "</g>\n"
