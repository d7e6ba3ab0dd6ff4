"""Writes a training's records to its sinks: files, TensorBoard, MLflow. A failing sink never fails the training."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from training.tracking.events import Record, encode

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Stores records somewhere. Must not block, even if its server does not answer."""

    def write(self, record: Record) -> None:
        """Store a record, now or later."""

    def close(self) -> None:
        """Store what is left; may wait for some seconds."""


class Recorder:
    """Writes each record to every sink. A sink that raises is removed, with one warning."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def write(self, record: Record) -> None:
        for sink in list(self._sinks):
            try:
                sink.write(record)
            except Exception as error:  # noqa: BLE001  records are only for people: they never fail the training
                self._sinks.remove(sink)
                _warn(sink, error)

    def close(self) -> None:
        """Close all sinks that were not removed."""
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001
                _warn(sink, error)


class MetricsFile:
    """A local file with one record per line, for `tail -f`; attempts on the same machine append to it."""

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
