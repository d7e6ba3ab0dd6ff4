"""Programs whose timeouts count their own work."""

import subprocess
import sys

import pytest

from training.documents import poppler
from training.documents.poppler import Program
from training.process.limits import cpu_seconds

BURN = [sys.executable, "-S", "-c", "import time\nwhile time.process_time() < {}: pass"]


def burning(seconds: float) -> Program:
    """A program that uses CPU time."""
    return Program([part.format(seconds) for part in BURN], stdout=subprocess.PIPE)


def test_a_program_that_takes_more_cpu_time_than_it_may_is_given_up() -> None:
    with burning(60) as program:
        with pytest.raises(subprocess.TimeoutExpired):
            program.communicate(timeout=0.5)
        assert 0.45 < cpu_seconds(program.pid) < 1
        program.kill()


def test_a_program_that_has_to_wait_takes_the_time_that_it_needs() -> None:
    with Program(["sleep", "0.5"]) as program:
        program.communicate(timeout=0.1)
    assert program.returncode == 0


def test_beside_others_that_keep_the_machine_busy_a_program_may_do_as_much_work() -> None:
    rivals = [subprocess.Popen([part.format(60) for part in BURN]) for _ in range(8)]
    try:
        with burning(0.5) as program:
            program.communicate(timeout=0.6)
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
    assert program.returncode == 0


def test_a_program_that_waits_for_ever_is_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poppler, "WALL_S_PER_CPU_S", 2)
    with Program(["sleep", "60"]) as program:
        with pytest.raises(subprocess.TimeoutExpired):
            program.communicate(timeout=0.1)
        program.kill()
