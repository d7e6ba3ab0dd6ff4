"""The operator's goals, and whether what was measured meets them. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hack.bench import figures

CPUS = 0.5  # what the chart's limit gives the operator
KIBIBYTE = 1024
_WRITES = ("create", "patch", "update", "delete")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured of one checkout with so many runs. Times are in seconds, memory is resident."""

    runs: int
    burst_wall_s: float
    burst_cpu_s: float
    burst_requests: Counter[str]
    idle_creations_s: Sequence[float]
    busy_creations_s: Sequence[float]
    job_ends_s: Sequence[float]
    rest_s: float
    rest_cpu_s: float
    rest_requests: Counter[str]
    restart_wall_s: float
    restart_cpu_s: float
    restart_requests: Counter[str]
    new_jobs_of_restart: int
    reporters: int
    reports: int
    reports_cpus: float
    reports_visible_s: Sequence[float]
    memory_before_bytes: int
    memory_with_bytes: int
    memory_after_bytes: int
    memory_peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One row of the table."""

    what: str
    bound: str
    measured: str
    met: bool


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def judged(found: Figures) -> list[Goal]:
    """Every goal. Bounds that were set for 5,000 runs grow with the runs."""
    share = found.runs / 5000
    cpu_ms, requests = found.burst_cpu_s / found.runs * 1000, _of_runs(found.burst_requests) / found.runs
    reads = {name: count for name, count in found.rest_requests.items() if not name.startswith((*_WRITES, "watch"))}
    writes = sum(count for name, count in found.rest_requests.items() if name.startswith(_WRITES))
    memory_bound = 100 * figures.MEBIBYTE + 10 * KIBIBYTE * found.runs
    grown = found.memory_with_bytes - found.memory_before_bytes
    given_back = found.memory_with_bytes - found.memory_after_bytes
    runs = f"{found.runs:,}"
    begins, restart = f"{runs} runs at once", f"restart with {runs} active runs"
    return [
        _at_most(f"{begins}: s until all have their Job", 120 * max(share, 1.0), found.burst_wall_s, "{:.0f}"),
        _at_most(f"the same, CPU s at {CPUS:g} CPUs", 120 * max(share, 1.0), found.burst_cpu_s / CPUS, "{:.0f}"),
        _at_most("CPU ms a run", 10, cpu_ms, "{:.1f}"),
        _at_most("requests a run, lists and watches aside", 5, requests, "{:.2f}"),
        _waits("create to Job, idle", 0.5, found.idle_creations_s),
        _waits(f"create to Job beside {runs} active runs", 2.0, found.busy_creations_s),
        _waits("end of a Job to the status", 2.0, found.job_ends_s),
        _at_most(f"{restart}: s until it rests", 60 * max(share, 1.0), found.restart_wall_s, "{:.0f}"),
        _at_most("restart: new Jobs", 0, found.new_jobs_of_restart, "{:.0f}"),
        _at_most("at rest: writes", 0, writes, "{:.0f}"),
        _at_most("at rest: reads a second", 1, sum(reads.values()) / found.rest_s, "{:.2f}"),
        _at_most(f"memory with {runs} active runs, MiB", _mib(memory_bound), _mib(found.memory_with_bytes), "{:.0f}"),
        Goal(
            what="memory given back when they are gone",
            bound="most of it",
            measured=f"{_mib(given_back):.0f} of {_mib(grown):.0f} MiB",
            met=given_back >= grown / 2,
        ),
        _at_most("peak memory, MiB", 512, _mib(found.memory_peak_bytes), "{:.0f}"),
        _waits(f"report to status, {found.reporters:,} reporters", 12.0, found.reports_visible_s),
        _at_most(f"CPUs while {found.reporters:,} workers report", CPUS, found.reports_cpus, "{:.2f}"),
    ]


def _of_runs(requests: Counter[str]) -> int:
    """Those that grow with the runs."""
    return sum(count for name, count in requests.items() if not name.startswith(("list", "watch")))


def _at_most(what: str, bound: float, measured: float, form: str) -> Goal:
    return Goal(what=what, bound=f"at most {bound:g}", measured=form.format(measured), met=measured <= bound)


def _waits(what: str, bound_s: float, waits_s: Sequence[float]) -> Goal:
    p99_s = percentile(waits_s, 99)
    measured = f"{percentile(waits_s, 50):.2f} / {p99_s:.2f}"
    return Goal(what=f"{what}, s, p50 / p99", bound=f"p99 at most {bound_s:g}", measured=measured, met=p99_s <= bound_s)


def _mib(size_bytes: float) -> float:
    return size_bytes / figures.MEBIBYTE


def tables(found: Figures) -> str:
    """The goals, and beside them what the stretches of time took."""
    rows = [[goal.what, goal.bound, goal.measured, "yes" if goal.met else "**no**"] for goal in judged(found)]
    stretches = [
        ("creation to Job", found.burst_wall_s, found.burst_cpu_s, found.burst_requests),
        ("at rest", found.rest_s, found.rest_cpu_s, found.rest_requests),
        ("restart", found.restart_wall_s, found.restart_cpu_s, found.restart_requests),
    ]
    costs = [
        [name, f"{wall_s:.0f}", f"{cpu_s:.2f}", ", ".join(f"{count} {what}" for what, count in asked.most_common())]
        for name, wall_s, cpu_s, asked in stretches
    ]
    a_run_kib = (found.memory_with_bytes - found.memory_before_bytes) / found.runs / KIBIBYTE
    memory = (
        f"Memory: {_mib(found.memory_before_bytes):.0f} MiB without runs, {_mib(found.memory_with_bytes):.0f} with "
        f"{found.runs:,} active ones ({a_run_kib:.1f} KiB a run), {_mib(found.memory_after_bytes):.0f} when they are "
        f"gone; {found.reports:,} reports in the minute."
    )
    goals = figures.table(["goal", "bound", "measured", "met"], rows)
    return f"{goals}\n\n{figures.table(['', 's', 'CPU s', 'requests'], costs)}\n\n{memory}\n"
