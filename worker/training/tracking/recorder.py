"""Passes on what a training tells of itself to all who keep it. Nobody of them can fail the training."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from training.tracking.events import Record, encode

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Keeps records, and returns at once whatever a server does."""

    def write(self, record: Record) -> None:
        """Keep one."""

    def close(self) -> None:
        """Keep the last ones; waits for seconds at most."""


class Recorder:
    """Writes each record to every sink. One that raises is left out from there on, with one warning."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def write(self, record: Record) -> None:
        for sink in list(self._sinks):
            try:
                sink.write(record)
            except Exception as error:  # noqa: BLE001  what is only looked at never fails the training
                self._sinks.remove(sink)
                _warn(sink, error)

    def close(self) -> None:
        """Close all sinks; what was left out stays out."""
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001
                _warn(sink, error)


class MetricsFile:
    """`metrics.jsonl` on this machine, one line a record, for `tail -f`; attempts on the same machine add to it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A process that was killed may have left half a line.
        with path.open("a+b") as file:
            is_cut = file.tell() > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n"
            if is_cut:
                file.write(b"\n")
        self._file = path.open("ab", buffering=0)

    def write(self, record: Record) -> None:
        self._file.write(encode(record))

    def close(self) -> None:
        self._file.close()


def _warn(sink: Sink, error: Exception) -> None:
    logger.warning("%s takes no more metrics: %s: %s", type(sink).__name__, type(error).__name__, error)
