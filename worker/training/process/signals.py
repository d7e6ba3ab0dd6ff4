"""SIGTERM: what a node sends before it takes the pod away. The work stops where it can be continued."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from training.errors import Failure, Interrupted
from training.process.exit import run_command


class StopRequest:
    """Remembers that SIGTERM arrived. Later ones change nothing: the work is stopping already.

    As a context manager it takes over the signal; only the main thread may. Until `defer()` is called the signal raises
    Interrupted wherever the program stands; afterwards the training loop asks `requested` and stops at its next
    iteration. What has not ended `deadline_s` seconds after the signal, because a server does not answer, is ended with
    the exit code of Interrupted; `on_failure` then writes the termination message, from another thread.
    """

    def __init__(self, *, deadline_s: float, on_failure: Callable[[Failure], None]) -> None:
        """`deadline_s`: less than the grace period, after which the node kills the process without a word."""
        self.requested = False
        self._deferred = False
        self._deadline_s = deadline_s
        self._on_failure = on_failure
        self._arrived = threading.Event()
        self._over = threading.Event()
        self._previous: Any = None

    def __enter__(self) -> Self:
        # Started now: a signal handler that starts a thread can wait for a lock that it interrupted.
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        self._previous = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)
        self._over.set()
        self._arrived.set()

    def defer(self) -> None:
        """From now on only remember the signal."""
        self._deferred = True
        self.check()

    def resume(self) -> None:
        """From now on raise at once again."""
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
