"""Watches a kind of object in a thread of its own, and when what was to be seen of it was there."""

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from hack.bench.api_server import ADMIN, ApiServer

Object = dict[str, Any]


class Watch:
    """Calls back with each object that is added or changed, until the API server ends."""

    def __init__(self, server: ApiServer, path: str, seen: Callable[[Object, float], None]) -> None:
        """
        Args:
            seen: is given the object and the time of the monotonic clock; in another thread.
        """
        self._server = server
        self._path = path
        self._seen = seen
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # A server that has just started ends watches at once, until its caches are filled.
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._read_once()
            time.sleep(0.5)

    def _read_once(self) -> None:
        address = urlsplit(self._server.url)
        # The server is a child of this process.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context)
        headers = {"Authorization": f"Bearer {ADMIN}"}
        connection.request("GET", f"{self._path}?watch=true&timeoutSeconds=7200", headers=headers)
        answer = connection.getresponse()
        while line := answer.readline():
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                self._seen(event["object"], time.monotonic())


class Times:
    """When something was first seen of each of many things."""

    def __init__(self) -> None:
        self._seen_s: dict[str, float] = {}
        self._more = threading.Condition()

    def saw(self, name: str, at_s: float) -> None:
        with self._more:
            self._seen_s.setdefault(name, at_s)
            self._more.notify_all()

    def of(self, name: str, *, timeout_s: float) -> float:
        """When it was seen; waits for it. Raises TimeoutError."""
        with self._more:
            if not self._more.wait_for(lambda: name in self._seen_s, timeout_s):
                raise TimeoutError(f"{name} was not seen within {timeout_s:.0f} s")
            return self._seen_s[name]

    def of_known(self, name: str, otherwise_s: float) -> float:
        """When it was seen, where it was."""
        with self._more:
            return self._seen_s.get(name, otherwise_s)
