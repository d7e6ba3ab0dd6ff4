"""Where progress reports are sent: to the operator's gateway, to the log (on a laptop), or nowhere."""

import logging
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from training.process.deliverer import DeliveryError
from training.progress.report import JsonObject, encode

logger = logging.getLogger(__name__)


MAX_REPORT_BYTES = 8 * 1024
# Of several operators one listens, and a Service leads to any of them: each try is a new throw of the dice.
_TRIES_WHEN_REFUSED = 8


class Sender(Protocol):
    """Sends reports, at most one per `min_interval_s` seconds unless one is urgent."""

    min_interval_s: float

    def send(self, report: JsonObject) -> None:
        """Deliver one report or raise DeliveryError."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as an error: the token must reach nobody but the gateway."""

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
        # No proxy, whatever the environment says: the gateway is a Service of the same cluster.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls), _NoRedirect
        )

    def send(self, report: JsonObject) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            if self._token_file is not None:
                # Read for each report, since the kubelet renews the file.
                headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
            request = urllib.request.Request(self._url, data=_report_body(report), headers=headers, method="POST")  # noqa: S310
            self._post(request)
        except urllib.error.HTTPError as error:
            with error:
                # 401 and 403 may be temporary: the operator may not have seen this pod yet, or the token was just
                # renewed. 409 means that a newer report was accepted, 413 and 422 that this body never will be.
                retry = error.code in (401, 403, 408, 429) or error.code >= 500
                raise DeliveryError(
                    f"HTTP {error.code}", retry=retry, after_s=_retry_after_s(error.headers.get("Retry-After"))
                ) from error
        except (OSError, ValueError) as error:
            raise DeliveryError(str(error) or type(error).__name__, retry=True) from error

    def _post(self, request: urllib.request.Request) -> None:
        for tries_left in reversed(range(_TRIES_WHEN_REFUSED)):
            try:
                with self._opener.open(request, timeout=self._timeout_s):
                    return
            except urllib.error.URLError as error:
                if not (tries_left and isinstance(error.reason, ConnectionRefusedError)):
                    raise


class LogSender:
    """Logs the progress now and then, if no gateway is configured, as on a laptop."""

    min_interval_s = 10.0

    def send(self, report: JsonObject) -> None:
        shown = ("percent", "epoch", "totalEpochs", "iteration", "totalIterations", "etaSeconds", "throughput")
        logger.info("progress: %s", ", ".join(f"{key} {report[key]}" for key in shown if key in report))


class NullSender:
    """Sends nothing: for all ranks but the main one, which reports the progress of the whole training."""

    min_interval_s = 3600.0

    def send(self, report: JsonObject) -> None:
        """Do nothing."""


def _retry_after_s(header: str | None) -> float:
    try:
        return min(60.0, max(0.0, float(header or 0)))
    except ValueError:
        return 0.0


def _report_body(report: JsonObject) -> bytes:
    """The report as JSON of at most MAX_REPORT_BYTES. A longer one loses its metrics, then its resume points, which
    people need most. Raises DeliveryError if it is still too long.
    """
    for leave_out in ((), ("metrics",), ("metrics", "resumePoints")):
        body = encode({key: value for key, value in report.items() if key not in leave_out})
        if len(body) <= MAX_REPORT_BYTES:
            return body
    raise DeliveryError("the report is too large", retry=False)
