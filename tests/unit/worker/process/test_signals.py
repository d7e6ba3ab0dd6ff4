"""SIGTERM, as a process of its own meets it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from training.errors import Interrupted
from training.process.signals import StopRequest


@pytest.fixture
def stop() -> Iterator[StopRequest]:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest(deadline_s=60, on_failure=lambda _: None) as made:
        yield made
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_first_signal_interrupts_what_no_library_catches_and_a_second_does_not_hurry_it(stop: StopRequest) -> None:
    with pytest.raises(Interrupted) as interrupted:
        os.kill(os.getpid(), signal.SIGTERM)
    assert not isinstance(interrupted.value, Exception)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested


def test_a_deferred_signal_is_remembered_and_raised_when_asked(stop: StopRequest) -> None:
    stop.defer()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested
    with pytest.raises(Interrupted):
        stop.resume()


def test_what_does_not_end_within_the_deadline_is_ended_with_143_and_its_last_word() -> None:
    code = """
import os, signal, time
from training.process.signals import StopRequest
with StopRequest(deadline_s=0.2, on_failure=lambda failure: print(failure.reason, flush=True)) as stop:
    stop.defer()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 143
    assert result.stdout == "Interrupted\n"
    assert "did not end within 0.2 s" in result.stderr
