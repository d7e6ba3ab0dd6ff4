"""Reports the progress of a stage to the operator while it runs.

A report that cannot be delivered is retried, replaced by a newer one, or given up; it never blocks, slows or fails the
work. The format is that of docs/architecture.md. Each report holds everything known so far, so that the newest one
replaces all before it. Its sequence is the time in milliseconds since 1970, which keeps growing when the container of
an attempt restarts.
"""

import logging
import math
import os
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.process.backoff import PATIENT, Backoff
from training.process.deliverer import Deliverer
from training.process.run_identity import attempt_from_env
from training.progress.report import MAX_RESUME_POINTS, JsonObject
from training.progress.senders import GatewaySender, LogSender, Sender

logger = logging.getLogger(__name__)


class ProgressReporter:
    """Collects the state of a stage; a Deliverer sends the newest state in the background.

    `update()` never waits for the network. Updates are merged: at most one report per `sender.min_interval_s` seconds
    is sent, but an urgent one at once.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        stage: str,
        attempt: int = 1,
        backoff: Backoff = PATIENT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._state: JsonObject = {"attempt": attempt, "stage": stage, "final": False}
        self._sequence = 0
        self._deliverer = Deliverer(
            self._next_report,
            sender.send,
            name="progress",
            trouble="progress could not be delivered, the work goes on",
            min_interval_s=sender.min_interval_s,
            backoff=backoff,
        )

    @classmethod
    def from_env(cls, *, stage: str, environ: Mapping[str, str] = os.environ) -> "ProgressReporter":
        """The reporter for the environment variables of docs/architecture.md; without TRAINING_PROGRESS_URL it only
        logs.
        """
        url = environ.get("TRAINING_PROGRESS_URL", "")
        sender: Sender = LogSender()
        if url:
            token_file = environ.get("TRAINING_PROGRESS_TOKEN_FILE", "")
            try:
                sender = GatewaySender(
                    url,
                    token_file=Path(token_file) if token_file else None,
                    ca_pem=environ.get("TRAINING_PROGRESS_CA"),
                )
            except (ssl.SSLError, ValueError) as error:
                logger.warning("progress is only logged: TRAINING_PROGRESS_CA is no certificate (%s)", error)
        return cls(sender, stage=stage, attempt=attempt_from_env(environ))

    def update(self, *, urgent: bool = False, **fields: Any) -> None:
        """Set fields of the report (by the contract's camelCase names) and send it soon, or immediately if urgent.

        A field whose value is None, NaN or infinite is removed from the report.
        """
        with self._deliverer.lock:
            if not self._deliverer.is_closing:
                self._merge(fields)
                self._deliverer.change(urgent=urgent)

    def state(self) -> JsonObject:
        """The next report, but with the sequence of the last one that was sent."""
        with self._deliverer.lock:
            return {**self._state, "sequence": self._sequence}

    def close(self, *, timeout_s: float = 5.0, **fields: Any) -> None:
        """Send the final report, with retries for at most `timeout_s` seconds, and stop. May be called twice."""
        with self._deliverer.lock:
            if not self._deliverer.is_closing:
                self._merge({**fields, "final": True})
                self._deliverer.change(urgent=True)
        self._deliverer.close(timeout_s)

    def __enter__(self) -> "ProgressReporter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _merge(self, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if value is None or (isinstance(value, float) and not math.isfinite(value)):
                self._state.pop(name, None)
            elif name == "resumePoints":
                self._state[name] = list(value)[-MAX_RESUME_POINTS:]
            else:
                self._state[name] = value

    def _next_report(self) -> JsonObject:
        self._sequence = max(self._sequence + 1, int(self._clock() * 1000))
        return {**self._state, "sequence": self._sequence}
