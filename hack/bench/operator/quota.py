"""Holds a process to a share of a CPU, as a container's limit does."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PERIOD_US = 100_000


@contextlib.contextmanager
def cpu_quota(cpus: float, root: Path = Path("/sys/fs/cgroup")) -> Iterator[Path | None]:
    """A cgroup for processes that may use so many CPUs together; None where none can be made."""
    group = _make_group(cpus, root)
    try:
        yield group
    finally:
        if group is not None:
            # Its processes have ended; should one be left, the group stays, and holds nobody else.
            with contextlib.suppress(OSError):
                group.rmdir()


def _make_group(cpus: float, root: Path) -> Path | None:
    quota_us = int(cpus * PERIOD_US)
    name = f"bench-operator-{os.getpid()}"
    limits = {
        # Version 1, then version 2.
        root / "cpu" / name: {"cpu.cfs_period_us": f"{PERIOD_US}", "cpu.cfs_quota_us": f"{quota_us}"},
        root / name: {"cpu.max": f"{quota_us} {PERIOD_US}"},
    }
    for group, files in limits.items():
        if not group.parent.joinpath("cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            for file, value in files.items():
                (group / file).write_text(value)
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
        else:
            return group
    return None


def throttled_s(group: Path) -> float:
    """For how long its processes have been held back in all."""
    fields = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(fields["throttled_usec"]) / 1e6 if "throttled_usec" in fields else int(fields["throttled_time"]) / 1e9
