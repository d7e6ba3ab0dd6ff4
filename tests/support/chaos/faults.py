"""What stands between operator and API server and makes calls slow, refused, unanswered, and watches forgetful."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from hack.bench.api_server import CLIENT
from hack.ports import free_ports

REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
PASSED_ON = ("Authorization", "Content-Type", "Accept", "User-Agent")
# The API server writes an object of any size into one line.
MOST_BYTES_A_LINE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Weather:
    """How bad it is: the longest delay of a call in seconds, and of 1 how many calls are refused before they do
    anything, how many take effect and stay without an answer, how many events of watches are lost.
    """

    delay_s: float = 0.0
    refused: float = 0.0
    unanswered: float = 0.0
    lost: float = 0.0


CALM = Weather()


class FaultyProxy:
    """Passes everything on, as far as the weather lets it."""

    def __init__(self, upstream: str, seed: int) -> None:
        self.weather = CALM
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._upstream = upstream
        self._rng = random.Random(seed)
        self._watches: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        # The API server is a child of this process.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE

    def write_kubeconfig(self, path: Path) -> None:
        """The operator's, by this way."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "chaos",
            "clusters": [{"name": "chaos", "cluster": {"server": self.url}}],
            "users": [{"name": CLIENT, "user": {"token": CLIENT}}],
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": CLIENT}}],
        }
        path.write_text(yaml.safe_dump(document))

    def cut_watches(self) -> None:
        """Ends every connection of a watch without a word."""
        self._loop.call_soon_threadsafe(self._cut)

    @contextmanager
    def running(self) -> Iterator[None]:
        """In a thread of its own."""
        started = threading.Event()
        thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        thread.start()
        if not started.wait(10.0):
            raise RuntimeError("the proxy does not listen")
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10.0)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        await self._runner.cleanup()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    async def _listen(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            read_bufsize=MOST_BYTES_A_LINE,
        )
        application = web.Application(client_max_size=MOST_BYTES_A_LINE)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        # Watches do not end by themselves.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        weather, body = self.weather, await request.read()
        if weather.delay_s:
            await asyncio.sleep(self._rng.uniform(0.0, weather.delay_s))
        if self._rng.random() < weather.refused:
            return self._refusal()
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        url = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
                if request.query.get("watch"):
                    return await self._stream(request, answer)
                data = await answer.read()
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return self._hang_up(request)
        if self._rng.random() < weather.unanswered:
            return self._hang_up(request)
        kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
        return web.Response(status=answer.status, body=data, headers=kept)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(
            status=answer.status, headers={"Content-Type": answer.headers.get("Content-Type", "application/json")}
        )
        await response.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        transport = request.transport
        self._watches.add(transport)
        try:
            async for line in answer.content:
                if self._rng.random() >= self.weather.lost:
                    await response.write(line)
        finally:
            self._watches.discard(transport)
        return response

    def _refusal(self) -> web.Response:
        status = self._rng.choice(list(REASONS))
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": REASONS[status]}
        return web.Response(status=status, text=json.dumps(said), content_type="application/json")

    def _hang_up(self, request: web.Request) -> web.Response:
        if isinstance(request.transport, asyncio.Transport):
            request.transport.abort()
        return web.Response(status=502)

    def _cut(self) -> None:
        for transport in tuple(self._watches):
            transport.abort()
