"""Counts what the servers refuse, and tells it in one log line a minute at most.

Nothing that a stranger sent gets into the log, and nobody can fill it.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections import Counter

from trainingrun_operator import metrics

logger = logging.getLogger(__name__)

LOG_EVERY_S = 60.0


class Refusal(enum.StrEnum):
    """Why a connection or a request was refused."""

    TOO_MANY_CONNECTIONS = "TooManyConnections"
    DISPLACED = "Displaced"
    TOO_SLOW = "TooSlow"
    BROKEN = "Broken"
    NOT_LEADING = "NotLeading"
    NO_TOKEN = "NoToken"  # noqa: S105
    BAD_TOKEN = "BadToken"  # noqa: S105
    KEYS_UNAVAILABLE = "KeysUnavailable"
    BAD_REPORT = "BadReport"
    UNKNOWN_RUN = "UnknownRun"
    UNKNOWN_POD = "UnknownPod"
    POD_GONE = "PodGone"
    POD_ENDED = "PodEnded"
    NOT_ITS_POD = "NotItsPod"
    TOO_MANY_REPORTS = "TooManyReports"
    TOO_EARLY = "TooEarly"
    OUTDATED = "Outdated"
    ERROR = "Error"


class Refusals:
    """The refusals of one server. Its methods belong to the event loop."""

    def __init__(self, server: str) -> None:
        """
        Args:
            server: what the log line and the metric call it.
        """
        self._server = server
        self._untold: Counter[Refusal] = Counter()

    def add(self, reason: Refusal) -> None:
        """One more."""
        metrics.REFUSALS.labels(self._server, reason).inc()
        if not self._untold:
            asyncio.get_running_loop().call_later(LOG_EVERY_S, self._tell)
        self._untold[reason] += 1

    def _tell(self) -> None:
        told = {str(reason): count for reason, count in self._untold.most_common()}
        logger.info("requests were refused", extra={"server": self._server, "in_s": LOG_EVERY_S, "refused": told})
        self._untold.clear()
