"""Limits (rlimits) of processes that read PDFs, on memory, files and CPU time: a hostile PDF fails only its document.

Poppler's programs, which read the PDFs, inherit those on memory and files.
"""

import math
import resource
from contextlib import suppress
from pathlib import Path

from training.process.container import CGROUP, available_cpus, container_memory

GIBIBYTE = 1 << 30
MAX_MEMORY_BYTES = 4 * GIBIBYTE  # of address space for each process; an A0 page at 120 dpi takes a twentieth of it
MIN_MEMORY_BYTES = GIBIBYTE  # the largest page that is rendered and read takes two thirds of it
MAX_FILE_BYTES = GIBIBYTE // 2  # of one written file


def memory_share(processes: int, cgroup: Path = CGROUP) -> int:
    """Bytes of address space for each of `processes` processes, so that they and one more fit into this container.

    When a container's memory is full, Kubernetes ends the whole container: one document would take all others with it.
    """
    return min(MAX_MEMORY_BYTES, max(MIN_MEMORY_BYTES, container_memory(cgroup) // (processes + 1)))


def limit_process() -> None:
    """Sets the limits for this process and those it starts. Exceeding one ends only the process that did."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_share(available_cpus())),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def limit_cpu(pid: int, seconds: float) -> None:
    """Ends a running program of this user by SIGXCPU once it has used `seconds` of CPU time, rounded up.

    CPU time and not time: how long a program takes is decided by all else that the machine has to do, too.
    """
    with suppress(ProcessLookupError):  # it has ended already
        _, hard = resource.prlimit(pid, resource.RLIMIT_CPU)
        most = math.ceil(seconds)
        resource.prlimit(pid, resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
