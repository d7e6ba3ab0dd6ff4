"""A work that makes no step any more, in a process of its own."""

import subprocess
import sys

import pytest

from training.errors import ConfigError
from training.process.watchdog import step_deadline

PRELUDE = """
import ctypes, os, sys, threading, time
from training.process import watchdog
from training.process.signals import StopRequest
from training.process.watchdog import Watchdog

watchdog.FIRST_STEP_S, watchdog.LINGER_S, watchdog.FROZEN_S = 1.5, 0.2, 1.0

def hang_for_ever():
    threading.Event().wait()

def settle():
    print("settled", flush=True)
    return "s3://tables/epoch_1.pth"

stop = StopRequest(deadline_s=5.0, on_failure=lambda failure: print(failure.reason, flush=True))
dog = Watchdog(1.0, stop, settle=settle)
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PRELUDE + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_what_makes_no_step_shows_the_stacks_of_all_threads_and_ends_with_124() -> None:
    result = run("threading.Thread(target=hang_for_ever, daemon=True).start()\ndog.step()\nhang_for_ever()")
    assert result.returncode == 124
    assert result.stdout == "settled\nStalled\n"
    assert result.stderr.count("in hang_for_ever") == 2
    assert "No step was made within 1 s" in result.stderr
    assert "s3://tables/epoch_1.pth continues it" in result.stderr


def test_what_fails_to_settle_ends_all_the_same() -> None:
    result = run("dog._settle = lambda: 1 / 0\ndog.step()\nhang_for_ever()")
    assert result.returncode == 124
    assert "what was on its way is lost: division by zero" in result.stderr


@pytest.mark.parametrize(
    "work",
    [
        "for _ in range(8): dog.step(); time.sleep(0.3)",
        "dog.rest(); time.sleep(2.5)",
        "time.sleep(2.5)",
        "dog.begin(); time.sleep(1.2)",
        "stop.requested = True; dog.step(); time.sleep(2.5)",
    ],
    ids=["steps are made", "none is expected", "none was ever", "the first takes longer", "SIGTERM ends it"],
)
def test_nothing_else_is_ended(work: str) -> None:
    result = run(work)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_first_step_that_never_comes_is_missed_too() -> None:
    assert run("dog.begin(); hang_for_ever()").returncode == 124


def test_a_process_that_was_frozen_goes_on() -> None:
    code = """
import signal, subprocess
frozen = f"sleep 0.3; kill -STOP {os.getpid()}; sleep 1.4; kill -CONT {os.getpid()}"
subprocess.Popen(["/bin/sh", "-c", frozen])
watchdog.FROZEN_S = 60.0
dog.step()
time.sleep(0.2)
dog.step()
for _ in range(30): time.sleep(0.01)
dog.rest()
time.sleep(2.0)
"""
    assert run(code).returncode == 0


def test_where_python_itself_stands_still_the_stacks_are_shown_and_the_process_ends() -> None:
    # PyDLL keeps the global lock while it calls.
    result = run("dog.step()\ndef hold_the_lock():\n    ctypes.PyDLL(None).sleep(50)\nhold_the_lock()")
    assert result.returncode == 1
    assert "in hold_the_lock" in result.stderr


def test_without_a_deadline_nothing_is_watched() -> None:
    result = run("free = Watchdog(None, stop)\nfree.begin(); free.step()\nassert threading.active_count() == 2")
    assert result.returncode == 0


def test_the_deadline_comes_from_the_environment() -> None:
    assert step_deadline({}) is None
    assert step_deadline({"TRAINING_STEP_DEADLINE_S": "3600"}) == 3600.0
    for wrong in ("0", "-1", "1h"):
        with pytest.raises(ConfigError, match="must be a number of seconds"):
            step_deadline({"TRAINING_STEP_DEADLINE_S": wrong})
