"""A status line that shows the progress of a training at the bottom of a terminal, with log lines above it."""

import logging
import shutil
from collections.abc import Mapping
from typing import Any, TextIO

from training.tracking.duration import duration

CLEAR = "\r\x1b[K"  # moves to the start of the line and erases it


def status_text(state: Mapping[str, Any], *, loss: float, learning_rate: float | None, per_epoch: int) -> str:
    """`epoch 3/20  iteration 41/74  loss 1.234  lr 0.0012  3.40 img/s  1 h 12 min left`.

    `state` is `ProgressReporter.state()`; `per_epoch` is the number of iterations in an epoch.
    """
    done = int(state.get("iteration", 0))
    parts = [
        f"epoch {max(0, done - 1) // per_epoch + 1}/{state.get('totalEpochs', '?')}",
        f"iteration {max(0, done - 1) % per_epoch + 1}/{per_epoch}",
        f"loss {loss:.4g}",
    ]
    if learning_rate is not None:
        parts.append(f"lr {learning_rate:.3g}")
    if "throughput" in state:
        parts.append(str(state["throughput"]))
    if "etaSeconds" in state:
        parts.append(f"{duration(state['etaSeconds'])} left")
    return "  ".join(parts)


class StatusLine(logging.Filter):
    """The last line of a terminal. As a filter of the log handlers that write to that terminal, it erases the line
    before each log message, and drops messages that only repeat the progress.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._is_drawn = False
        self._handlers: list[logging.Handler] = []

    def take_over(self, *loggers: logging.Logger) -> None:
        """Filter the handlers of these loggers that write to a terminal."""
        for handler in {handler for logger in loggers for handler in logger.handlers}:
            stream = getattr(handler, "stream", None)
            if stream is not None and stream.isatty():
                handler.addFilter(self)
                self._handlers.append(handler)

    def draw(self, text: str) -> None:
        """Replace the line by `text`, cut to the terminal's width."""
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(CLEAR + text[:width])
        self._stream.flush()
        self._is_drawn = True

    def clear(self) -> None:
        """Erase the line."""
        if self._is_drawn:
            self._stream.write(CLEAR)
            self._stream.flush()
            self._is_drawn = False

    def end(self) -> None:
        """Erase the line and remove the filter from the handlers."""
        self.clear()
        for handler in self._handlers:
            handler.removeFilter(self)
        self._handlers = []

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith(("progress: ", "Epoch(train)", "Exp name:")):
            return False
        self.clear()
        return True
