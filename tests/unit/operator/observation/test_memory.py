"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from trainingrun_operator.observation import memory


def resident_mebibytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / (1 << 20)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_lies_between_things_in_use_is_given_back() -> None:
    bodies = [bytes(2000) for _ in range(50_000)]
    kept = bodies[::100]
    full = resident_mebibytes()
    del bodies
    memory.give_back()
    assert full - resident_mebibytes() > 20
    assert kept
