"""Memory and file-size limits (rlimits) for processes that read PDFs: a hostile PDF fails only its own document.

Poppler's programs, which read the PDFs, inherit the limits. Their CPU time is limited by those who start them
(`training.documents.poppler.Program`), by `cpu_seconds`.
"""

import os
import resource
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


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used until now, all its threads together, to a hundredth of a second.

    RLIMIT_CPU would end it by itself, but counts the ticks of the clock that meet it: beside eight busy processes it
    ended programs after 70 % of the time. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    # Behind the name, which may hold anything: the state is the third field, CPU time in user and kernel 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
