"""Why the process of a rank ended, where it could not say so."""

import os
import signal
from multiprocessing.connection import wait
from typing import Any

import pytest

from training.errors import CudaOOM, LostContact, Stalled, Transient, WorkerError
from training.train.distributed.launch import Followers, why_it_ended
from training.train.distributed.topology import Topology


@pytest.mark.parametrize(
    ("exit_code", "kind", "part"),
    [
        (-signal.SIGABRT, LostContact, "was aborted, as NCCL does without contact"),
        (134, LostContact, "was aborted"),
        (-signal.SIGKILL, Transient, "was killed, most likely for lack of memory"),
        (-signal.SIGSEGV, Transient, "was ended by SIGSEGV"),
        (-signal.SIGBUS, Transient, "was ended by SIGBUS"),
        (-signal.SIGTERM, Transient, "was ended by SIGTERM"),
        (124, Stalled, "made no step for too long"),
        (1, Transient, "was ended with exit code 1"),
    ],
)
def test_the_exit_code_of_a_rank_says_why_it_ended(exit_code: int, kind: type[WorkerError], part: str) -> None:
    why = why_it_ended("rank 1", exit_code)
    assert type(why) is kind
    assert f"The process of rank 1 {part}" in str(why)


def abort(_plan: Any, topology: Topology) -> None:
    if topology.process == 1:
        os.abort()


def run_out_of_memory(_plan: Any, topology: Topology) -> None:
    if topology.process == 1:
        raise RuntimeError("CUDA error: out of memory")


@pytest.mark.parametrize(("work", "kind"), [(abort, LostContact), (run_out_of_memory, CudaOOM)])
def test_the_leader_tells_of_what_the_rank_that_failed_first_ended(work: Any, kind: type[Exception]) -> None:
    plan: Any = None
    lost = RuntimeError("NCCL communicator was aborted on rank 0.")
    with Followers(work, plan, Topology(processes=2), on_failure=lambda _: None) as followers:
        wait([followers._processes[0].sentinel])  # only the leader's own thread may ask for the exit code
        cause = followers.cause(lost)
    assert type(cause) is kind
