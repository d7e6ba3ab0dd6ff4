"""What a worker tells the world: progress to the gateway while it runs, the termination message when it ends.

Progress is a courtesy. A report that cannot be delivered is retried, replaced by a newer one, or given up; it never
blocks, slows or fails the work. The formats are those of docs/architecture.md: a report holds everything known so far,
so that the newest replaces all before it, and its sequence is the time in milliseconds since 1970, so that it keeps
growing when a container of one attempt restarts.
"""

import json
import logging
import math
import os
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from training.errors import Failure

logger = logging.getLogger(__name__)

JsonObject = dict[str, Any]

STAGE_TRAIN = "train"
MAX_REPORT_BYTES = 8 * 1024
MAX_TERMINATION_BYTES = 4096
MAX_RESUME_POINTS = 5
MAX_METRICS = 16


class DeliveryError(Exception):
    """The report did not arrive. `retry` says whether the same report may arrive later, `after_s` how long the gateway
    asked to wait.
    """

    def __init__(self, reason: str, *, retry: bool, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.after_s = after_s


class Sender(Protocol):
    """Where reports go."""

    min_interval_s: float

    def send(self, report: JsonObject) -> None:
        """Deliver one report or raise DeliveryError."""


def metric_list(metrics: Mapping[str, float]) -> list[JsonObject]:
    """Metrics as reports carry them, `[{"name", "value": "0.5120"}]`; values that are not finite are left out, as JSON
    has no NaN.
    """
    return [
        {"name": name, "value": f"{float(value):.4f}"} for name, value in metrics.items() if math.isfinite(float(value))
    ][:MAX_METRICS]


# -------------------------------------------------------------------------------------------------------------- senders


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token belongs to the gateway alone: a redirect is an error."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


class GatewaySender:
    """Posts reports to the operator's gateway with the pod's projected token."""

    min_interval_s = 2.0

    def __init__(self, url: str, *, token_file: Path | None, ca_pem: str | None, timeout_s: float = 5.0) -> None:
        self._url = url
        self._token_file = token_file
        self._timeout_s = timeout_s
        tls = ssl.create_default_context(cadata=ca_pem or None)
        # The gateway is a Service of the same cluster: a proxy from the environment has no part in this.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls), _NoRedirect
        )

    def send(self, report: JsonObject) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            if self._token_file is not None:
                # Read each time: the kubelet renews the file.
                headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
            request = urllib.request.Request(self._url, data=_report_body(report), headers=headers, method="POST")  # noqa: S310
            with self._opener.open(request, timeout=self._timeout_s):
                return
        except urllib.error.HTTPError as error:
            with error:
                # 401 and 403 may heal: the operator may not have seen this pod yet, or the token was just renewed.
                # 409 is a newer report taken before this one, 413 and 422 a body that will never be taken.
                retry = error.code in (401, 403, 408, 429) or error.code >= 500
                raise DeliveryError(
                    f"HTTP {error.code}", retry=retry, after_s=_retry_after_s(error.headers.get("Retry-After"))
                ) from error
        except (OSError, ValueError) as error:
            raise DeliveryError(str(error) or type(error).__name__, retry=True) from error


class LogSender:
    """Stands in where no gateway is named, as on a laptop: progress goes to the log, not often."""

    min_interval_s = 10.0

    def send(self, report: JsonObject) -> None:
        shown = ("percent", "epoch", "totalEpochs", "iteration", "totalIterations", "etaSeconds", "throughput")
        logger.info("progress: %s", ", ".join(f"{key} {report[key]}" for key in shown if key in report))


class NullSender:
    """For the ranks whose progress the main one tells."""

    min_interval_s = 3600.0

    def send(self, report: JsonObject) -> None:
        """Nothing."""


def _retry_after_s(header: str | None) -> float:
    try:
        return min(60.0, max(0.0, float(header or 0)))
    except ValueError:
        return 0.0


def _report_body(report: JsonObject) -> bytes:
    """At most MAX_REPORT_BYTES of JSON; metrics go before resume points, which people need most."""
    for leave_out in ((), ("metrics",), ("metrics", "resumePoints")):
        body = _encode({key: value for key, value in report.items() if key not in leave_out})
        if len(body) <= MAX_REPORT_BYTES:
            return body
    raise DeliveryError("the report is too large", retry=False)


def _encode(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")


# ------------------------------------------------------------------------------------------------------------- reporter


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Seconds between tries while the gateway does not answer: doubled from `first_s` to `most_s`, with up to a third
    more at random.
    """

    first_s: float = 2.0
    most_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 16)) * (1 + random.random() / 3)  # noqa: S311


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
        backoff: Backoff = Backoff(),
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


# -------------------------------------------------------------------------------------------------- termination message


def failed_message(stage: str, failure: Failure, *, progress: JsonObject | None = None) -> JsonObject:
    """The termination message (docs/architecture.md) of a stage that failed."""
    message: JsonObject = {
        "version": 1,
        "stage": stage,
        "result": "failed",
        "exitCode": failure.exit_code,
        "reason": failure.reason,
        "message": failure.message,
    }
    return message if progress is None else {**message, "progress": progress}


def write_termination(message: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> None:
    """Write the pod's last word to TRAINING_TERMINATION_LOG, shortened to fit; does nothing where that is not set, as
    on a laptop.

    Never raises: the exit code still tells the story.
    """
    path = environ.get("TRAINING_TERMINATION_LOG", "")
    if not path:
        return
    try:
        # In place: the kubelet mounted this very file, a rename over it is refused.
        Path(path).write_bytes(fit_termination(message))
    except OSError as error:
        logger.warning("the termination message could not be written to %s: %s", path, error)


def fit_termination(message: Mapping[str, Any], *, most_bytes: int = MAX_TERMINATION_BYTES) -> bytes:
    """The message as JSON of at most `most_bytes` bytes.

    What people can live without goes first: a long text's end, older resume points, metrics, the whole progress.
    """
    fitted: JsonObject = json.loads(_encode(_without_nan(dict(message))))
    steps: tuple[Callable[[JsonObject], None], ...] = (
        partial(_cut_texts, most_bytes=1200),
        _keep_last_resume_point,
        partial(_drop, path=("progress", "metrics")),
        partial(_drop, path=("model", "metrics")),
        partial(_drop, path=("progress",)),
        partial(_cut_texts, most_bytes=300),
        partial(_cut_texts, most_bytes=60),
        partial(_keep_only, names=("version", "stage", "result", "exitCode", "reason", "message")),
    )
    for shorten in steps:
        if len(_encode(fitted)) <= most_bytes:
            break
        shorten(fitted)
    return _encode(fitted)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_without_nan(item) for item in value]
    return value


def _cut_texts(value: Any, most_bytes: int) -> None:
    """Cut every text in place, deep down, that takes more than `most_bytes` bytes, at a character's border."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(item, dict | list):
            _cut_texts(item, most_bytes)
        elif isinstance(item, str) and len(item.encode()) > most_bytes:
            value[key] = item.encode()[: most_bytes - 3].decode(errors="ignore") + "…"


def _keep_last_resume_point(message: JsonObject) -> None:
    progress = message.get("progress")
    if isinstance(progress, dict) and progress.get("resumePoints"):
        progress["resumePoints"] = progress["resumePoints"][-1:]


def _drop(message: JsonObject, path: tuple[str, ...]) -> None:
    holder: Any = message
    for name in path[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder.pop(path[-1], None)


def _keep_only(message: JsonObject, names: tuple[str, ...]) -> None:
    for name in set(message) - set(names):
        del message[name]
