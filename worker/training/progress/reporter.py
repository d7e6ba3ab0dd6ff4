"""Tells the operator how far the work is, while it runs.

Progress is a courtesy. A report that cannot be delivered is retried, replaced by a newer one, or given up; it never
blocks, slows or fails the work. The formats are those of docs/architecture.md: a report holds everything known so far,
so that the newest replaces all before it, and its sequence is the time in milliseconds since 1970, so that it keeps
growing when a container of one attempt restarts.
"""

import logging
import math
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.process.backoff import PATIENT, Backoff
from training.progress.report import MAX_RESUME_POINTS, JsonObject
from training.progress.senders import DeliveryError, GatewaySender, LogSender, Sender

logger = logging.getLogger(__name__)


class Reporter:
    """Collects what is known of a stage and sends the newest state from a thread of its own.

    `report()` only takes a lock. Reports in between are merged: at most one per `sender.min_interval_s` is sent, urgent
    ones at once.
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
        self._backoff = backoff
        self._clock = clock
        self._state: JsonObject = {"attempt": attempt, "stage": stage, "final": False}
        self._sequence = 0
        self._changed = False
        self._urgent = False
        self._close_by_s: float | None = None  # monotonic; set by close()
        self._failures = 0
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    @classmethod
    def from_env(cls, *, stage: str, environ: Mapping[str, str] = os.environ) -> "Reporter":
        """The reporter that the environment of docs/architecture.md describes; without TRAINING_PROGRESS_URL it only
        logs.
        """
        url = environ.get("TRAINING_PROGRESS_URL", "")
        attempt = environ.get("TRAINING_ATTEMPT", "")
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
        return cls(sender, stage=stage, attempt=int(attempt) if attempt.isdecimal() else 1)

    def report(self, *, urgent: bool = False, **fields: Any) -> None:
        """Remember the fields (camelCase names of the contract) and send them soon, at once if urgent.

        A field that is None is taken back; numbers that are not finite are left out.
        """
        with self._wake:
            if self._close_by_s is None:
                self._merge(fields)
                self._urgent = self._urgent or urgent
                self._wake.notify()

    def state(self) -> JsonObject:
        """All that is known, as the next report would carry it (the sequence is that of the last one)."""
        with self._wake:
            return {**self._state, "sequence": self._sequence}

    def close(self, *, timeout_s: float = 5.0, **fields: Any) -> None:
        """Send the final report, trying for at most `timeout_s` seconds, and stop. May be called twice."""
        with self._wake:
            if self._close_by_s is None:
                self._merge({**fields, "final": True})
                self._urgent = True
                self._close_by_s = time.monotonic() + timeout_s
                self._wake.notify()
        self._thread.join(timeout_s)

    def __enter__(self) -> "Reporter":
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
        self._changed = True

    def _run(self) -> None:
        next_try_s = 0.0
        while True:
            with self._wake:
                while not self._due(next_try_s):
                    if self._finished():
                        return
                    self._wake.wait(self._wait_s(next_try_s))
                self._changed = self._urgent = False
                self._sequence = max(self._sequence + 1, int(self._clock() * 1000))
                report = {**self._state, "sequence": self._sequence}
            next_try_s = time.monotonic() + self._deliver(report)

    def _due(self, next_try_s: float) -> bool:
        return self._changed and not self._finished() and (self._urgent or time.monotonic() >= next_try_s)

    def _finished(self) -> bool:
        return self._close_by_s is not None and (not self._changed or time.monotonic() >= self._close_by_s)

    def _wait_s(self, next_try_s: float) -> float | None:
        if not self._changed:
            return None
        until_s = next_try_s if self._close_by_s is None else min(next_try_s, self._close_by_s)
        return max(0.01, until_s - time.monotonic())

    def _deliver(self, report: JsonObject) -> float:
        """Try once; returns the seconds to wait before the next try."""
        try:
            self._sender.send(report)
        except DeliveryError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001  a fault of the sender must not end the thread
            return self._failed(DeliveryError(f"{type(error).__name__}: {error}", retry=False))
        if self._failures:
            logger.info("progress is delivered again after %d failures", self._failures)
        self._failures = 0
        return self._sender.min_interval_s

    def _failed(self, error: DeliveryError) -> float:
        with self._wake:
            self._failures += 1
            self._changed = self._changed or error.retry
            closing = self._close_by_s is not None
        if self._failures == 1:
            logger.warning("progress could not be delivered, the work goes on: %s", error)
        if closing:
            return 0.5  # little time is left
        return max(error.after_s, self._backoff.delay_s(self._failures))
