"""Bounds on what a process that reads PDFs may take, so that a hostile one ends its own document and nothing else.

They are inherited by poppler's programs, which do the reading.
"""

import resource

GIBIBYTE = 1 << 30
MAX_MEMORY_BYTES = 4 * GIBIBYTE  # of address space in each process: an A0 page at 120 dpi takes a twentieth
MAX_FILE_BYTES = GIBIBYTE // 2  # what one file may grow to


def limit_process() -> None:
    """Sets the bounds for this process and those it starts. What is exceeded ends the process that did."""
    for kind, most in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
