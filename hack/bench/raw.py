"""The bare renderer, as fast as it can fairly be: pdftoppm over the same pages, one process for each core."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

PAGES_PER_CALL = 20  # a long document keeps all cores busy, and starting a process costs little against twenty pages
JPEG_OPTIONS = "quality=95,progressive=n,optimize=n"


@dataclass(frozen=True)
class Call:
    """One call of the renderer; pages count from 1, as it counts them."""

    pdf: Path
    first: int
    last: int

    @property
    def pages(self) -> int:
        return self.last - self.first + 1


def page_numbers(json_file: Path) -> list[int]:
    """The annotated pages, which are those that preprocess draws; from 0."""
    return sorted(page["page_num"] for page in json.loads(json_file.read_text())["pages"])


def calls(documents: Iterable[tuple[Path, Sequence[int]]]) -> list[Call]:
    """The calls that draw these pages (numbers from 0), most pages first, so that no core idles at the end."""
    found = [Call(pdf, first + 1, last + 1) for pdf, numbers in documents for first, last in _runs(numbers)]
    return sorted(found, key=lambda call: (-call.pages, str(call.pdf), call.first))


def command(calls_file: Path, *, dpi: int, processes: int) -> list[str]:
    """xargs hands the calls out, one to each process that has become free."""
    draw = ["pdftoppm", "-jpeg", "-jpegopt", JPEG_OPTIONS, "-r", str(dpi)]
    return ["xargs", "-0", "-a", str(calls_file), "-P", str(processes), "-n", "6", *draw]


def calls_text(wanted: Iterable[Call], folder: Path) -> str:
    """What xargs reads: six arguments for each call, each ended by a zero byte."""
    arguments = (
        ["-f", str(call.first), "-l", str(call.last), str(call.pdf), str(folder / f"{number:05d}")]
        for number, call in enumerate(wanted)
    )
    return "".join(f"{argument}\0" for call in arguments for argument in call)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    if not numbers:
        return
    first = numbers[0]
    for number, following in pairwise(numbers):
        if following != number + 1 or following - first >= PAGES_PER_CALL:
            yield first, number
            first = following
    yield first, numbers[-1]
