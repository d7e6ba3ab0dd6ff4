"""Serves an aiohttp application to strangers: few connections at a time, each for one request and a few seconds.

aiohttp limits neither how many connections there are nor how long a TLS handshake or a body takes, and each TLS
connection costs more than 256 KiB. So connections are accepted here, and closed here, whatever they wait for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from trainingrun_operator import metrics
from trainingrun_operator.core.errors import SetupError
from trainingrun_operator.endpoints.connections import Connections, Limits
from trainingrun_operator.endpoints.refusals import Refusal, Refusals

# From the accept to the end of the answer; a worker gives up a report after 5 s without an answer.
DEADLINE_S = 8.0
_SHUTDOWN_S = 1.0
_BACKLOG = 1024
_NO_FILES_LEFT_S = 0.5
# No request's line and header fields are longer than a token's.
_MAX_LINE_BYTES = 8190
_MAX_FIELDS = 32
_READ_BYTES = 16 * 1024

# aiohttp logs a traceback for each request that it can't parse: anybody could fill the log.
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)


class Listener:
    """One listening port and its connections."""

    def __init__(
        self,
        name: str,
        application: web.Application,
        *,
        limits: Limits,
        refusals: Refusals,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """
        Args:
            name: what metrics call it.
            tls: without it the port speaks plain HTTP.
        """
        application.on_response_prepare.append(_close_after_it)
        self._name = name
        self._application = application
        self._connections: Connections[asyncio.Task[None]] = Connections(limits)
        self._refusals = refusals
        self._tls = tls
        self._deadline_s = deadline_s

    async def serve(self, port: int, *, started: asyncio.Event) -> None:
        """Serves until cancelled.

        Raises:
            SetupError: the port can't be had.
        """
        runner = web.AppRunner(
            self._application,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_S,
            logger=_SILENT,
            access_log=_SILENT,
            access_log_class=self._answer_log(),
            lingering_time=_SHUTDOWN_S,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_FIELDS,
            read_bufsize=_READ_BYTES,
            # A few bytes of a compressed body may become gigabytes.
            auto_decompress=False,
        )
        await runner.setup()
        holds: set[asyncio.Task[None]] = set()
        try:
            with _listening_socket(port) as listening:
                started.set()
                await self._accept(listening, cast(web.Server, runner.server), holds)
        finally:
            for hold in holds:
                hold.cancel()
            await asyncio.gather(*holds, return_exceptions=True)
            await runner.cleanup()

    def _answer_log(self) -> type[AbstractAccessLogger]:
        """What aiohttp tells of each answer, also to what no route has seen."""
        name, connections = self._name, self._connections

        class AnswerLog(AbstractAccessLogger):
            def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002
                metrics.REQUESTS.labels(name, response.status).inc()
                if response.status < 400 and request.remote is not None:
                    connections.bore_fruit(request.remote)

        return AnswerLog

    async def _accept(
        self, listening: socket.socket, protocol: Callable[[], asyncio.Protocol], holds: set[asyncio.Task[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(_NO_FILES_LEFT_S)
                continue
            source = address[0]
            if self._connections.allows(source, loop.time()):
                hold = loop.create_task(self._hold(connection, protocol))
                holds.add(hold)
                hold.add_done_callback(holds.discard)
                hold.add_done_callback(self._connections.remove)
                displaced = self._connections.add(hold, source)
                if displaced is not None:
                    self._refusals.add(Refusal.DISPLACED)
                    displaced.cancel()
            else:
                connection.close()
                self._refusals.add(Refusal.TOO_MANY_CONNECTIONS)
            metrics.CONNECTIONS.labels(self._name).set(len(self._connections))
            # An accept that finds a connection waiting does not yield, and everything else shares this loop.
            await asyncio.sleep(0)

    async def _hold(self, connection: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Keeps a connection until it is closed, at most for its time."""
        loop = asyncio.get_running_loop()
        lost = loop.create_future()
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: _Watched(protocol(), lost),
                    connection,
                    ssl=self._tls,
                    ssl_shutdown_timeout=None if self._tls is None else _SHUTDOWN_S,
                )
                await lost
        except TimeoutError:
            self._refusals.add(Refusal.TOO_SLOW)
        except OSError:
            # Of the handshake; what comes later ends `lost`.
            self._refusals.add(Refusal.BROKEN)
        finally:
            if transport is not None:
                transport.abort()
            metrics.CONNECTIONS.labels(self._name).set(len(self._connections))


class _Watched(asyncio.Protocol):
    """aiohttp's protocol, and word of when its connection is lost."""

    def __init__(self, protocol: asyncio.Protocol, lost: asyncio.Future[None]) -> None:
        self._protocol = protocol
        self._lost = lost
        self.data_received = protocol.data_received  # type: ignore[method-assign]
        self.connection_made = protocol.connection_made  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
        if not self._lost.done():
            self._lost.set_result(None)


def _listening_socket(port: int) -> socket.socket:
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        listening = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=_BACKLOG)
    except OSError as error:
        raise SetupError(f"port {port} can't be listened on: {error}") from error
    listening.setblocking(False)
    return listening


async def _close_after_it(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()
