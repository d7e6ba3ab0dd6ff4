"""From measured runs to the tables of docs/benchmarks.md. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hack.bench.measure import Usage

MEBIBYTE = 1 << 20
BEGIN, END = "<!-- figures: written by make {} -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Run:
    """One run of one way, and the CPU time that the S3 server took meanwhile."""

    usage: Usage
    server_cpu_s: float = 0.0


@dataclass(frozen=True)
class Series:
    """All runs of one way over `pages` pages."""

    title: str
    pages: int
    runs: tuple[Run, ...]

    def of(self, value: Callable[[Run], float]) -> list[float]:
        return [value(run) for run in self.runs]


@dataclass(frozen=True)
class Measured:
    """What was measured on one corpus."""

    name: str
    raw: Series
    ours: Series
    others: tuple[Series, ...] = ()  # further runs of ours
    naive: tuple[Series, ...] = ()


def wall(run: Run) -> float:
    return run.usage.wall_s


def cpu(run: Run) -> float:
    return run.usage.cpu_s


def peak(run: Run) -> float:
    return run.usage.peak_bytes


def spread(values: Sequence[float], digits: int) -> str:
    """`minimum / median / maximum`."""
    return " / ".join(f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))


def ratio(
    series: Series, base: Series, value: Callable[[Run], float], middle: Callable[[Sequence[float]], float] = median
) -> float:
    """How many times `base`, page for page."""
    return middle(series.of(value)) / series.pages / (middle(base.of(value)) / base.pages)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown: the first column to the left, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def time_table(measured: Measured) -> str:
    """Every way beside the raw renderer."""
    head = ["", "pages", "wall s, min / median / max", "pages/s", "CPU s", "S3 server's CPU s"]
    head += ["wall × raw, medians", "wall × raw, minima", "CPU × raw"]
    rows = []
    for series in (measured.raw, measured.ours, *measured.others, *measured.naive):
        seconds = median(series.of(wall))
        rows.append(
            [
                series.title,
                f"{series.pages:,}",
                spread(series.of(wall), 2),
                f"{series.pages / seconds:.1f}",
                f"{median(series.of(cpu)):.2f}",
                f"{median(series.of(lambda run: run.server_cpu_s)):.2f}",
                *(f"{value:.2f}" for value in _ratios(series, measured.raw)),
            ]
        )
    return table(head, rows)


def cpu_table(all_measured: Iterable[Measured]) -> str:
    """Where preprocess spends its CPU time, beside all that the raw renderer spends."""
    rows: list[list[str]] = []
    names: list[str] = []
    for measured in all_measured:
        runs, pages = measured.ours.runs, measured.ours.pages
        names = list(runs[0].usage.parts_s)
        milliseconds = [1000 * median(run.usage.parts_s[name] for run in runs) / pages for name in names]
        raw = 1000 * median(measured.raw.of(cpu)) / measured.raw.pages
        server = 1000 * median(run.server_cpu_s for run in runs) / pages
        rows.append([measured.name, *(f"{value:.1f}" for value in (raw, *milliseconds, server))])
    return table(("CPU ms a page", "raw", *names, "S3 server"), rows)


def memory_table(series: Sequence[Series]) -> str:
    """Peak memory, and how many times that of the corpus in the row above."""
    rows = []
    for index, one in enumerate(series):
        # They come in pairs, the small corpus first.
        times = median(one.of(peak)) / median(series[index - 1].of(peak)) if index % 2 else None
        megabytes = [value / MEBIBYTE for value in one.of(peak)]
        rows.append([one.title, f"{one.pages:,}", spread(megabytes, 0), "" if times is None else f"{times:.2f}"])
    return table(("", "pages", "peak MiB, min / median / max", "times the row above"), rows)


def targets_table(all_measured: Iterable[Measured]) -> str:
    """The figures that have a target, one a row."""
    rows = []
    for measured in all_measured:
        ours = measured.ours
        title = f"{measured.name}: ours / raw"
        rows.append([title, "at most 1.25", *(f"{value:.2f}" for value in _ratios(ours, measured.raw))])
        for naive in measured.naive:
            title = f"{measured.name}: {naive.title} / ours"
            rows.append([title, "at least 10", *(f"{value:.1f}" for value in _ratios(naive, ours))])
    return table(("", "target", "wall, medians", "wall, minima", "CPU"), rows)


def _ratios(series: Series, base: Series) -> tuple[float, float, float]:
    """Of the medians and of the minima of wall time, and of CPU time."""
    return ratio(series, base, wall), ratio(series, base, wall, min), ratio(series, base, cpu)


def with_figures(document: str, figures: str, *, of: str) -> str:
    """The document with `figures` between the two marks of a benchmark, named as make's target is.

    Raises ValueError where it lacks them.
    """
    mark = BEGIN.format(of)
    before, begin, rest = document.partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no line {mark!r} with {END!r} after it")
    return f"{before}{mark}\n\n{figures.strip()}\n\n{END}{after}"
