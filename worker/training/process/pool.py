"""A process pool whose tasks survive the death of another task's process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import forkserver
from types import TracebackType
from typing import Any, Self, TypeVar

from training.errors import Transient

_Result = TypeVar("_Result")


class ProcessKilledError(Exception):
    """A process that ran nothing but this task was killed, most likely by the kernel for lack of memory."""


def warm_up(preload: str | None = None) -> None:
    """Starts the fork server early, since its imports (of the module `preload`) take half a second."""
    # A fork server, since this process has threads: a child forked from it could deadlock.
    forkserver.set_forkserver_preload([preload] if preload else [])
    forkserver.ensure_running()


class DocumentPool:
    """A process pool, as a context manager.

    Python's pool breaks as a whole when one of its processes is killed. This one then reruns the tasks that were under
    way, each alone in a process, so that only the task at fault fails.
    """

    def __init__(self, count: int, *, initialize: Callable[[], None], preload: str | None = None) -> None:
        """`count` processes. `initialize` runs first in each; `preload` is the module that defines the tasks."""
        warm_up(preload)
        self._context = multiprocessing.get_context("forkserver")
        self._count = count
        self._initialize = initialize
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._killed = False
        self._pool = self._new(count)

    def submit(self, function: Callable[..., _Result], *arguments: Any) -> "Future[_Result]":
        """Starts a task. Pass its future to `result` to wait for it. Raises Transient after `kill`."""
        with self._lock:
            try:
                return self._pool.submit(function, *arguments)
            except BrokenProcessPool:
                self._check_alive()
                self._pool.shutdown(wait=False)
                self._pool = self._new(self._count)
                return self._pool.submit(function, *arguments)

    def result(self, future: "Future[_Result]", function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Waits for a task and returns its result; `function` and `arguments` are those of `submit`, for a rerun.

        Raises what the task raised, ProcessKilledError if its process is killed even when it runs alone, Transient
        after `kill`.
        """
        try:
            return future.result()
        except BrokenProcessPool:
            self._check_alive()
        with self._alone, self._new(1) as pool:
            try:
                return pool.submit(function, *arguments).result()
            except BrokenProcessPool as error:
                self._check_alive()
                raise ProcessKilledError from error

    def kill(self) -> None:
        """Ends all processes and the programs that they started."""
        self._killed = True
        for child in multiprocessing.active_children():
            if child.pid is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _new(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, self._context, initializer=_begin, initargs=(self._initialize,))

    def _check_alive(self) -> None:
        if self._killed:
            raise Transient("The run was ended.")


def _begin(initialize: Callable[[], None]) -> None:
    """Prepare a process of the pool; a process group of its own lets it end together with the programs it started."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    initialize()


def _end_with_parent() -> None:
    """End this process group when the parent process ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.killpg(0, signal.SIGKILL)
