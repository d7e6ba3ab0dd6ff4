"""Bounds on what a process that reads PDFs may take, so that a hostile one ends its own document and nothing else.

They are inherited by poppler's programs, which do the reading.
"""

import resource
from pathlib import Path

from training.process.container import CGROUP, available_cpus, container_memory

GIBIBYTE = 1 << 30
MAX_MEMORY_BYTES = 4 * GIBIBYTE  # of address space in each process: an A0 page at 120 dpi takes a twentieth
MIN_MEMORY_BYTES = GIBIBYTE  # the largest page that is drawn and read takes two thirds
MAX_FILE_BYTES = GIBIBYTE // 2  # what one file may grow to


def memory_share(processes: int, cgroup: Path = CGROUP) -> int:
    """Bytes of address space for each of so many processes, so that they and one more fit into this container.

    Kubernetes ends a container as a whole when its memory is full, so that one document would take all others with it.
    """
    return min(MAX_MEMORY_BYTES, max(MIN_MEMORY_BYTES, container_memory(cgroup) // (processes + 1)))


def limit_process() -> None:
    """Sets the bounds for this process and those it starts. What is exceeded ends the process that did."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_share(available_cpus())),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
