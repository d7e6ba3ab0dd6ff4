"""These tests stop and restart what all others on the cluster stand on: they run in a process of their own."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def alone() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("these tests restart the cluster under those of other processes: leave out --numprocesses")
