"""Starts the other ranks of a node as processes, and ends the training when one of them fails.

They are spawned, not forked, and get the plan that the leader has checked. A rank that fails sends the leader its
error. If a rank or the leader is killed, the training ends too.
"""

import ctypes
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from training.errors import Failure, LostContact, Stalled, Transient, WorkerError, as_typed
from training.process.exit import run_command
from training.train.distributed.topology import Topology
from training.train.plan import TrainingPlan

logger = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
CAUSE_DEADLINE_S = 10.0  # how long to wait for the error of a failed rank
END_DEADLINE_S = 60.0  # how long this process may take to fail after another rank has failed


class Followers:
    """Starts and watches the other ranks of this node, as a context manager. There may be none to start.

    When a rank fails, the collective operation in which this process waits for it usually fails too; `cause` then says
    why. With NCCL the operation may hang instead: after END_DEADLINE_S this process ends with the exit code of the
    failed rank, and `on_failure` writes the termination message.
    """

    def __init__(
        self,
        work: Callable[[TrainingPlan, Topology], None],
        plan: TrainingPlan,
        topology: Topology,
        *,
        on_failure: Callable[[Failure], None],
    ) -> None:
        """`work` is what a rank does; it must be a module-level function, since spawn pickles it."""
        self._context = multiprocessing.get_context("spawn")
        self._work = work
        self._plan = plan
        self._on_failure = on_failure
        self._topologies = [
            topology.of_process(process)
            for process in range(1, topology.processes)
            if topology.is_leader and not topology.started_elsewhere
        ]
        self._processes: list[Any] = []
        self._causes: list[Connection] = []
        self._first: BaseException | None = None
        self._failed = threading.Event()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="ranks", daemon=True)

    def __enter__(self) -> Self:
        for topology in self._topologies:
            reader, writer = self._context.Pipe(duplex=False)
            arguments = (self._work, self._plan, topology, writer, os.getpid())
            process = self._context.Process(target=_follow, args=arguments, name=f"rank {topology.rank}", daemon=True)
            process.start()
            writer.close()
            self._processes.append(process)
            self._causes.append(reader)
        if self._processes:
            self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._over.set()
        if kind is None and self._processes:
            # Two threads that wait for one process take its exit code from each other.
            self._watcher.join()
        for process in self._processes:
            if kind is None:
                process.join()
            else:
                process.kill()

    def cause(self, error: BaseException) -> BaseException:
        """Why the training failed: if `error` only says that ranks lost contact, the error of the rank that failed
        first, else `error` itself.
        """
        typed = as_typed(error)
        if not self._processes or not isinstance(typed, LostContact):
            return error
        self._failed.wait(CAUSE_DEADLINE_S)
        return self._first or error

    def _watch(self) -> None:
        sentinels = {process.sentinel: index for index, process in enumerate(self._processes)}
        while sentinels and self._first is None:
            for sentinel in wait(list(sentinels)):
                index = sentinels.pop(sentinel)
                self._processes[index].join()
                if self._processes[index].exitcode != 0 and self._first is None:
                    self._first = self._why(index)
        if self._first is None:
            return
        self._failed.set()
        logger.error("a training process failed: %s", self._first)
        if not self._over.wait(END_DEADLINE_S):
            os._exit(run_command(self._give_up, on_failure=self._on_failure))

    def _why(self, index: int) -> BaseException:
        try:
            if self._causes[index].poll():
                error: BaseException = self._causes[index].recv()
                return error
        except (EOFError, OSError):
            pass
        return why_it_ended(self._processes[index].name, self._processes[index].exitcode)

    def _give_up(self) -> None:
        if self._first is not None:
            raise self._first


def why_it_ended(name: str, exit_code: int) -> WorkerError:
    """Why the process of a rank ended that did not say so itself. `exit_code` is negative if a signal ended it."""
    if exit_code in (-signal.SIGABRT, 128 + signal.SIGABRT):
        return LostContact(f"The process of {name} was aborted, as NCCL does without contact; the run is tried again.")
    if exit_code == -signal.SIGKILL:
        return Transient(f"The process of {name} was killed, most likely for lack of memory; the run is tried again.")
    if exit_code == Stalled.exit_code:
        return Stalled(f"The process of {name} made no step for too long; the stacks of its threads are in the log.")
    how = f"by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"with exit code {exit_code}"
    return Transient(f"The process of {name} was ended {how}; the run is tried again.")


def _follow(
    work: Callable[[TrainingPlan, Topology], None],
    plan: TrainingPlan,
    topology: Topology,
    cause: Connection,
    parent: int,
) -> None:
    """The main function of a rank's process: do its work, and send the leader the error if it fails."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the leader ended before prctl was called
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader handles it
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s rank {topology.rank}: %(message)s")

    def command() -> None:
        try:
            work(plan, topology)
        except BaseException as error:
            cause.send(as_typed(error))
            raise

    os._exit(run_command(command))
