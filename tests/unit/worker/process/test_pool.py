"""Processes that are killed take nothing else with them."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from training.errors import Transient
from training.process.pool import DocumentPool, ProcessKilledError


def nothing() -> None:
    """To begin with."""


def double(number: int) -> int:
    time.sleep(0.05)
    return 2 * number


def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_once(mark: Path) -> int:
    if mark.exists():
        return 1
    mark.touch()
    return die()


def test_a_task_that_kills_its_process_is_told_from_those_beside_it() -> None:
    with DocumentPool(2, initialize=nothing) as pool, ThreadPoolExecutor(8) as threads:
        waiting = [(pool.submit(double, number), double, number) for number in range(6)]
        deadly = pool.submit(die)
        found = [threads.submit(pool.result, *task) for task in waiting]
        with pytest.raises(ProcessKilledError):
            pool.result(deadly, die)
        assert [future.result() for future in found] == [0, 2, 4, 6, 8, 10]
        assert pool.result(pool.submit(double, 21), double, 21) == 42


def test_a_task_whose_process_was_killed_by_another_is_done_all_the_same(tmp_path: Path) -> None:
    with DocumentPool(1, initialize=nothing) as pool:
        future = pool.submit(die_once, tmp_path / "mark")
        assert pool.result(future, die_once, tmp_path / "mark") == 1


def test_what_is_ended_is_not_begun_again() -> None:
    with DocumentPool(1, initialize=nothing) as pool:
        future = pool.submit(time.sleep, 60)
        time.sleep(0.5)
        pool.kill()
        with pytest.raises(Transient, match="was ended"):
            pool.result(future, time.sleep, 60)
