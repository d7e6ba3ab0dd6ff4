"""The listener over loopback: what is slow, broken or too much is closed, counted, and told in one line."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from hack.ports import free_ports
from tests.support.operator.operator_process import make_gateway_certificate
from trainingrun_operator import metrics
from trainingrun_operator.core.errors import SetupError
from trainingrun_operator.endpoints import monitoring, refusals
from trainingrun_operator.endpoints.connections import Limits
from trainingrun_operator.endpoints.listener import Listener
from trainingrun_operator.endpoints.refusals import Refusal, Refusals

LIMITS = Limits(in_all=8, per_source=4, fruitless_in_all=1000, fruitless_per_source=1000)
DEADLINE_S = 0.5
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(limits: Limits = LIMITS, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A listener that answers `fine`; gives its port."""

    async def fine(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="fine")

    application = web.Application()
    application.router.add_route("*", "/", fine)
    listener = Listener("test", application, limits=limits, refusals=Refusals("test"), tls=tls, deadline_s=DEADLINE_S)
    (port,), started = free_ports(1), asyncio.Event()
    task = asyncio.create_task(listener.serve(port, started=started))
    await started.wait()
    yield port
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def says(port: int, words: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(words)
    try:
        return await asyncio.wait_for(reader.read(), 10 * DEADLINE_S)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def refused(reason: Refusal) -> float:
    return metrics.REFUSALS.labels("test", reason)._value.get()


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"GET / HTTP/1.1\r\nHos",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
async def test_a_request_that_does_not_come_to_its_end_is_closed_at_the_deadline(words: bytes) -> None:
    before = refused(Refusal.TOO_SLOW)
    async with serving() as port:
        begun_s = asyncio.get_running_loop().time()
        await says(port, words)
        assert DEADLINE_S * 0.9 <= asyncio.get_running_loop().time() - begun_s < 4 * DEADLINE_S
    assert refused(Refusal.TOO_SLOW) == before + 1


async def test_a_handshake_that_never_begins_is_closed_at_the_deadline(tmp_path: Path) -> None:
    make_gateway_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    before = refused(Refusal.TOO_SLOW)
    async with serving(tls=server) as port:
        assert await says(port, b"") == b""
        assert refused(Refusal.TOO_SLOW) == before + 1
        client = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        assert (await says(port, GET, client)).endswith(b"fine")
        broken = refused(Refusal.BROKEN)
        await says(port, GET)
        assert refused(Refusal.BROKEN) == broken + 1, "plain HTTP on a TLS port"


async def test_a_connection_is_closed_after_one_answer() -> None:
    async with serving() as port:
        answer = await says(port, GET * 3)
    assert answer.count(b"200 OK") == 1
    assert b"Connection: close" in answer


async def test_those_that_wait_on_purpose_are_displaced_by_those_that_ask() -> None:
    before = refused(Refusal.DISPLACED)
    async with serving() as port:
        waiting = [asyncio.create_task(says(port, b"")) for _ in range(4)]
        await asyncio.sleep(DEADLINE_S / 5)
        assert (await says(port, GET)).endswith(b"fine")
        assert waiting[0].done() or await waiting[0] == b""
        await asyncio.gather(*waiting)
    assert refused(Refusal.DISPLACED) == before + 1


async def test_more_than_may_lead_to_nothing_are_not_looked_at() -> None:
    few = Limits(in_all=8, per_source=8, fruitless_in_all=8, fruitless_per_source=2)
    before = refused(Refusal.TOO_MANY_CONNECTIONS)
    async with serving(few) as port:
        await asyncio.gather(*(says(port, b"") for _ in range(5)))
    assert refused(Refusal.TOO_MANY_CONNECTIONS) == before + 3


async def test_what_strangers_send_is_told_in_one_line_without_their_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refusals, "LOG_EVERY_S", 3 * DEADLINE_S)
    caplog.set_level(logging.INFO)
    async with serving() as port:
        for _ in range(3):
            await says(port, b"evil evil\r\n\r\n")
            await says(port, b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
        await says(port, b"GET /evil")
        await asyncio.sleep(4 * DEADLINE_S)
    lines = [record for record in caplog.records if record.name.startswith(("trainingrun_operator", "aiohttp"))]
    assert [line.getMessage() for line in lines] == ["requests were refused"]
    assert lines[0].__dict__["refused"] == {"TooSlow": 1}
    assert "evil" not in caplog.text
    assert metrics.REQUESTS.labels("test", 404)._value.get() >= 3
    assert metrics.REQUESTS.labels("test", 400)._value.get() >= 3


async def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    async with serving() as port:
        listener = Listener("test", web.Application(), limits=LIMITS, refusals=Refusals("test"))
        with pytest.raises(SetupError, match=f"port {port} can't be listened on"):
            await listener.serve(port, started=asyncio.Event())


@pytest.mark.parametrize(
    ("path", "trouble", "answer"),
    [
        ("/healthz", None, b"200 OK"),
        ("/healthz", "it stands still", b"it stands still"),
        ("/healthz", "it stands still", b"503 "),
        ("/metrics", None, b"version="),
    ],
)
async def test_the_monitoring_port_answers_the_kubelet_and_prometheus(
    path: str, trouble: str | None, answer: bytes
) -> None:
    (port,), started = free_ports(1), asyncio.Event()
    listener = monitoring.listener(CollectorRegistry(), trouble=lambda: trouble)
    task = asyncio.create_task(listener.serve(port, started=started))
    await started.wait()
    assert answer in await says(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
