"""Handles SIGTERM, which a pod gets before it is removed: the work stops where the next attempt can continue it."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from training.errors import Failure, Interrupted
from training.process.exit import run_command


class StopRequest:
    """Remembers that SIGTERM arrived. Further SIGTERMs change nothing: the work is stopping already.

    As a context manager it installs the signal handler, which only the main thread may do. Until `defer()` is called
    the handler raises Interrupted, wherever the program is; afterwards the training loop checks `requested` and stops
    after the running iteration. If the work has not ended `deadline_s` seconds after the signal, because a server does
    not answer, another thread calls `on_failure`, which writes the termination message, and ends the process with the
    exit code of Interrupted.
    """

    def __init__(self, *, deadline_s: float, on_failure: Callable[[Failure], None]) -> None:
        """`deadline_s` must be less than the pod's grace period, after which the process is killed by SIGKILL."""
        self.requested = False
        self._deferred = False
        self._deadline_s = deadline_s
        self._on_failure = on_failure
        self._arrived = threading.Event()
        self._over = threading.Event()
        self._previous: Any = None

    def __enter__(self) -> Self:
        # Not in the signal handler: starting a thread could wait there for a lock that the interrupted code holds.
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        self._previous = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)
        self._over.set()
        self._arrived.set()

    def defer(self) -> None:
        """From now on only remember the signal. Raises Interrupted if it has arrived."""
        self._deferred = True
        self.check()

    def resume(self) -> None:
        """From now on raise Interrupted when the signal arrives. Raises it at once if it has arrived."""
        self._deferred = False
        self.check()

    def check(self) -> None:
        """Raise Interrupted if SIGTERM arrived."""
        if self.requested:
            raise Interrupted("SIGTERM ended the run; the next attempt goes on from what is stored.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first = not self.requested
        self.requested = True
        self._arrived.set()
        if first and not self._deferred:
            self.check()

    def _watch(self) -> None:
        self._arrived.wait()
        if not self._over.wait(self._deadline_s):
            os._exit(run_command(self._give_up, on_failure=self._on_failure))

    def _give_up(self) -> None:
        raise Interrupted(
            f"SIGTERM arrived and the work did not end within {self._deadline_s:g} s; the next attempt goes on from "
            f"what is stored."
        )
