"""Tells people on stderr how far a long command is."""

import sys
import time

EVERY_S = 5.0


class ProgressLine:
    """Prints `12 of 300 documents checked`, at most every EVERY_S seconds, so that a short command prints nothing."""

    def __init__(self, done_to_them: str) -> None:
        self._done_to_them = done_to_them
        self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            print(f"{done:,} of {total:,} documents {self._done_to_them}", file=sys.stderr, flush=True)
