"""SIGTERM: what a node sends before it takes the pod away. The work stops where it can be continued."""

import signal
from types import FrameType

from training.errors import Interrupted


class StopRequest:
    """Remembers that SIGTERM arrived. Later ones change nothing: the work is stopping already.

    Until `defer()` is called the signal raises Interrupted wherever the program stands; afterwards the training loop
    asks `requested` and stops at its next iteration.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def install(self) -> None:
        """Take over SIGTERM; only the main thread may."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def defer(self) -> None:
        """From now on only remember the signal."""
        self._deferred = True
        self.check()

    def resume(self) -> None:
        """From now on raise at once again."""
        self._deferred = False
        self.check()

    def check(self) -> None:
        """Raise Interrupted if SIGTERM arrived: libraries may have swallowed the first."""
        if self.requested:
            raise Interrupted("SIGTERM arrived; the next attempt continues from the last checkpoint, if there is one.")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first = not self.requested
        self.requested = True
        if first and not self._deferred:
            self.check()
