"""Ends a process whose work makes no step any more, such as one that waits for ever for a data worker or another rank.

What hangs cannot end itself, and nobody outside can tell it from a process that cannot be reached. So a thread of the
process watches it, by the process's own clock: whether reports get through means nothing here. The deadline is that of
docs/architecture.md, "What a worker pod gets".
"""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from training.errors import ConfigError, Stalled
from training.process.signals import StopRequest

logger = logging.getLogger(__name__)
STDERR = 2
FIRST_STEP_S = 600.0  # that a first step may take at least: data workers start, cuDNN tries its algorithms
LINGER_S = 10.0  # until every other rank has shown its stacks: the first that ends takes them along
FROZEN_S = 60.0  # beyond the deadline; then the watching thread itself cannot run


def step_deadline(environ: Mapping[str, str] = os.environ) -> float | None:
    """How many seconds a step may take; None if that does not matter. Raises ConfigError."""
    text = environ.get("TRAINING_STEP_DEADLINE_S", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(f"TRAINING_STEP_DEADLINE_S is {text!r}; it must be a number of seconds.")
    return float(text)


class Watchdog:
    """Watches the steps of a work; without a deadline, nothing.

    After `deadline_s` without a step, the stacks of all threads are in the log (standard error), `settle` has had its
    time, and the process ends with the exit code of Stalled. Where even the watching thread cannot run, since something
    holds Python's global lock, faulthandler's own thread shows the stacks and ends the process.
    """

    def __init__(
        self, deadline_s: float | None, stop: StopRequest, *, settle: Callable[[], str | None] = lambda: None
    ) -> None:
        """`stop`: after SIGTERM, its deadline is the one that counts. `settle` brings to its end what need not be lost,
        and returns where the next attempt goes on from, if it knows.
        """
        self._deadline_s = deadline_s
        self._stop = stop
        self._settle = settle
        self._lock = threading.Lock()
        self._allowed_s: float | None = None  # for the current step; None while no step is expected
        self._waited_s = 0.0
        if deadline_s is not None:
            threading.Thread(target=self._watch, args=(deadline_s,), name="watchdog", daemon=True).start()

    def begin(self) -> None:
        """Steps are expected from now on."""
        if self._deadline_s is not None:
            self._expect(max(self._deadline_s, FIRST_STEP_S))

    def step(self) -> None:
        """A step is done, and another one expected."""
        self._expect(self._deadline_s)

    def rest(self) -> None:
        """No step is expected until `begin`, however long that takes."""
        self._expect(None)

    def _expect(self, allowed_s: float | None) -> None:
        with self._lock:
            self._allowed_s, self._waited_s = allowed_s, 0.0

    def _watch(self, deadline_s: float) -> None:
        tick_s = min(5.0, deadline_s / 20)
        before_s = time.monotonic()
        while True:
            faulthandler.dump_traceback_later(deadline_s + FROZEN_S, exit=True, file=STDERR)
            time.sleep(tick_s)
            now_s = time.monotonic()
            # While the whole process was frozen, as with its virtual machine, it could make no step.
            passed_s, before_s = min(now_s - before_s, 2 * tick_s), now_s
            with self._lock:
                self._waited_s += passed_s
                is_over = self._allowed_s is not None and self._waited_s >= self._allowed_s
            if is_over and not self._stop.requested:
                self._end(deadline_s)

    def _end(self, deadline_s: float) -> None:
        os.write(STDERR, b"error: no step for too long; the stacks of all threads follow\n")
        faulthandler.dump_traceback(file=STDERR, all_threads=True)
        time.sleep(LINGER_S)
        try:
            continues = self._settle()
        except Exception as error:  # noqa: BLE001  nothing may keep the process from its end
            logger.warning("what was on its way is lost: %s", error)
            continues = None
        after = f"; {continues} continues it" if continues else ""
        self._stop.end(
            Stalled(f"No step was made within {deadline_s:g} s; the stacks of the threads are in the log{after}.")
        )
