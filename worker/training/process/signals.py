"""Handles SIGTERM, which a pod gets before it is removed: the work stops where the next attempt can continue it."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Self

from training.errors import Failure, Interrupted
from training.process.exit import run_command

UNHEARD_S = 10.0  # a main thread that has not run its signal handler by then is held up outside Python
_early: list[int] = []  # the signals that arrived before there was a StopRequest

# A child must not tell of its own signals there, such as of the SIGTERM that ends a data worker.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


def listen_for_stop() -> None:
    """Remember a SIGTERM that arrives from now on for the StopRequest to come. Call it before slow imports.

    Until a handler is installed, SIGTERM ends a process without a word, and never reaches the first of a container.
    """
    signal.signal(signal.SIGTERM, lambda number, _: _early.append(number))


class StopRequest:
    """Remembers that SIGTERM arrived. Further SIGTERMs change nothing: the work is stopping already.

    As a context manager it installs the signal handler, which only the main thread may do. Until `defer()` is called
    the handler raises Interrupted, wherever the program is; afterwards the training loop checks `requested` and stops
    after the running iteration. If the work has not ended `deadline_s` seconds after the signal, because a server does
    not answer, another thread calls `on_failure`, which writes the termination message, and ends the process with the
    exit code of Interrupted.

    That thread hears the signal by itself: Python runs a handler in the main thread alone, which may be held up in a
    library, such as by a rank that never comes. Then, unless the signal is deferred, the process ends after UNHEARD_S.

    A SIGTERM that `listen_for_stop` remembered is `requested` from the start: `check()` before the work raises it.
    """

    def __init__(self, *, deadline_s: float, on_failure: Callable[[Failure], None]) -> None:
        """`deadline_s` must be less than the pod's grace period, after which the process is killed by SIGKILL."""
        self.requested = False
        self._deferred = False
        self._deadline_s = deadline_s
        self._on_failure = on_failure
        self._over = threading.Event()
        self._heard, self._signals = socket.socketpair()
        self._signals.setblocking(False)
        self._previous: Any = None
        self._previous_wakeup = -1

    def __enter__(self) -> Self:
        # Not in the signal handler: starting a thread could wait there for a lock that the interrupted code holds.
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        # Python writes the number of a signal there at once, whatever the main thread does.
        self._previous_wakeup = signal.set_wakeup_fd(self._signals.fileno(), warn_on_full_buffer=False)
        self._previous = signal.signal(signal.SIGTERM, self._on_signal)
        if _early:
            self.requested = True
            self._signals.send(bytes([signal.SIGTERM]))
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._previous)
        signal.set_wakeup_fd(self._previous_wakeup)
        self._over.set()
        self._signals.close()

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

    def end(self, error: BaseException) -> NoReturn:
        """End the process with the exit code of the error, from any thread, whatever the main thread does."""

        def give_up() -> NoReturn:
            raise error

        os._exit(run_command(give_up, on_failure=self._on_failure))

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first = not self.requested
        self.requested = True
        if first and not self._deferred:
            self.check()

    def _watch(self) -> None:
        # Open to the end: Python writes the numbers of later signals there too, such as those of children that end.
        with self._heard:
            while (numbers := self._heard.recv(64)) and signal.SIGTERM not in numbers:
                pass
            unheard_s = min(UNHEARD_S, self._deadline_s)
            if self._over.wait(unheard_s):
                return
            if not (self.requested or self._deferred):
                self._end(unheard_s)
            if not self._over.wait(self._deadline_s - unheard_s):
                self._end(self._deadline_s)

    def _end(self, waited_s: float) -> NoReturn:
        self.end(
            Interrupted(
                f"SIGTERM arrived and the work did not end within {waited_s:g} s; the next attempt goes on from what "
                f"is stored."
            )
        )
