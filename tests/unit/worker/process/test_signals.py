"""SIGTERM, as a process of its own meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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


# A rank that waits for one that never comes: torch's store waits in C++, where Python runs no signal handler.
WAITING = """
import signal, sys
from datetime import timedelta
from training.process import signals
from training.process.signals import StopRequest
signals.UNHEARD_S = 1.0
with StopRequest(deadline_s=3.0, on_failure=lambda failure: print(failure.reason, flush=True)) as stop:
    from torch.distributed import TCPStore
    if sys.argv[1] == "deferred":
        stop.defer()
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(minutes=5))
    print("waiting", flush=True)
    store.wait(["rank 1"])
"""


@pytest.mark.parametrize(("mode", "within_s"), [("at once", 1), ("deferred", 3)])
def test_a_signal_is_heard_while_the_main_thread_waits_in_a_library(mode: str, within_s: int) -> None:
    command = [sys.executable, "-c", WAITING, mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(1)  # until the store waits: before that, Python would run the handler
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=30)
    assert process.returncode == 143, errors
    assert said == "Interrupted\n"
    assert f"did not end within {within_s} s" in errors


def test_a_signal_before_there_is_a_stop_request_is_remembered_for_it() -> None:
    code = """
import os, signal
from training.process.exit import run_command
from training.process.signals import StopRequest, listen_for_stop
listen_for_stop()
os.kill(os.getpid(), signal.SIGTERM)
with StopRequest(deadline_s=60, on_failure=lambda _: None) as stop:
    code = run_command(stop.check)
os._exit(code)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 143
    assert "error: Interrupted: SIGTERM ended the run" in result.stderr


def test_the_deadline_counts_from_a_signal_that_came_before_too() -> None:
    code = """
import os, signal, time
from training.process.signals import StopRequest, listen_for_stop
listen_for_stop()
os.kill(os.getpid(), signal.SIGTERM)
with StopRequest(deadline_s=0.2, on_failure=lambda _: None):
    time.sleep(60)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 143


def test_the_signal_of_a_forked_child_does_not_end_its_parent() -> None:
    code = """
import os, signal, time
from training.process.signals import StopRequest
with StopRequest(deadline_s=0.2, on_failure=lambda _: None) as stop:
    if os.fork() == 0:
        stop.defer()
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    os.wait()
    time.sleep(1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def hears_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("command", ["train", "preprocess", "infer"])
def test_a_command_hears_the_signal_before_its_imports_are_done(tmp_path: Path, command: str) -> None:
    log = tmp_path / "termination-log"
    environment = {**os.environ, "TRAINING_TERMINATION_LOG": str(log)}
    arguments = [sys.executable, "-m", f"training.{command}"]  # without any option, which would be exit code 64
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not hears_sigterm(process.pid):
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "SIGTERM ended the run" in errors
    if command != "infer":
        assert json.loads(log.read_bytes())["exitCode"] == 143
