"""How many CPUs and how much memory this process may use: the container's limits, or else the machine's."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP) -> int:
    """How many CPUs this process may use by its affinity and its container's quota; at least 1.

    `os.cpu_count()` counts the node's CPUs: by it, a pod that may use 2 of 64 cores would start 64 renderers.
    """
    affinity = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return affinity if quota is None else max(1, min(affinity, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """The CPU quota of the cgroup (v2 or v1) in cores; None if there is no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if limit in ("max", "-1"):
        return None
    return int(limit) / int(period)


def container_memory(cgroup: Path = CGROUP) -> int:
    """The memory limit of the cgroup (v2 or v1) in bytes, at most the machine's memory."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in (cgroup / "memory.max", cgroup / "memory/memory.limit_in_bytes"):
        try:
            limit = path.read_text().strip()
        except OSError:
            continue
        return machine if limit == "max" else min(machine, int(limit))
    return machine
