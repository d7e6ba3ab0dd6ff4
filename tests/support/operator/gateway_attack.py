"""What strangers can do to the gateway: thousands of connections without a token, while an honest worker reports.

It starts the gateway in a process of its own, opens the connections (TLS without a header, half a header, a byte a
second, no handshake), and prints how the process's memory grew, how late its event loop was, when the last hostile
connection was closed, and what became of the honest reports.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import ssl
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from hack.ports import free_ports
from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.operator_process import make_gateway_certificate
from tests.support.operator.world import UID, World
from trainingrun_operator.endpoints import gateway
from trainingrun_operator.endpoints.tokens import Bearer, TokenError, TokenVerifier
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter

HONEST, HOSTILE = "127.0.0.1", "127.0.0.2"
REPORT_EVERY_S = 0.5
_LOOP_TICK_S = 0.01
_GIVE_UP_S = 60.0
_HALF_HEADER = b"POST /v1/namespaces/demo/trainingruns/tables/progress HTTP/1.1\r\nAuthorization: Bea"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Memory in MiB, times in seconds."""

    connections: int
    memory_growth_mib: float
    loop_late_s: float
    cpu_s: float
    opened_s: float
    last_closed_s: float
    longest_kept_s: float
    reports: int
    reports_taken: int
    slowest_report_s: float


class _Verifier:
    """Believes the one token whose name is that of the pod: signatures are not what is measured."""

    def __init__(self, pod: str) -> None:
        self._pod = pod

    async def verify(self, token: str) -> Bearer:
        if token != self._pod:
            raise TokenError("not a token")
        audience = f"trainingrun.badgerdoc.dev/demo/tables/{UID}/preprocess/1"
        return Bearer(namespace="demo", pod_name=token, pod_uid=f"uid-of-{token}", audiences=(audience,))


def _serve(port: int, tls_dir: Path, pipe: Connection) -> None:
    asyncio.run(_gateway(port, tls_dir, pipe))


async def _gateway(port: int, tls_dir: Path, pipe: Connection) -> None:
    """Serves until the pipe says so; answers with the growth of memory, how late the loop was, and CPU seconds."""
    world, store = World(), Store()
    world.visits()
    store.observe_run(world.run)
    store.observe_job(world.job)
    world.worker_runs()
    store.observe_pod(world.pod)
    pod = world.pod["metadata"]["name"]
    writer = ProgressWriter(
        FakeCluster(world), store, interval=timedelta(0), clock=time.monotonic, now=lambda: datetime.now(UTC)
    )
    door = gateway.Gateway(store, writer, cast(TokenVerifier, _Verifier(pod)), leads=lambda: True, clock=time.monotonic)
    started = asyncio.Event()
    server = asyncio.create_task(gateway.serve(door, port=port, tls_dir=tls_dir, started=started))
    await started.wait()
    before_mib, late_s, cpu_s = _resident_mib(), 0.0, time.process_time()
    most_mib = before_mib
    pipe.send(pod)
    while not pipe.poll():
        begun_s = time.monotonic()
        await asyncio.sleep(_LOOP_TICK_S)
        late_s = max(late_s, time.monotonic() - begun_s - _LOOP_TICK_S)
        most_mib = max(most_mib, _resident_mib())
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    pipe.send((most_mib - before_mib, late_s, time.process_time() - cpu_s))


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class _Attack:
    """The hostile connections and when each was closed."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port = port
        self._tls = tls
        self.kept_s: list[float] = []

    async def one(self, number: int) -> None:
        """Opens one connection and keeps it for as long as the gateway lets it."""
        kind = number % 4
        begun_s = time.monotonic()
        with contextlib.suppress(OSError):
            tls = None if kind == 3 else self._tls
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=tls, local_addr=(HOSTILE, 0), server_hostname=tls and "127.0.0.1"
            )
            trickle = None
            if kind == 1:
                writer.write(_HALF_HEADER)
            elif kind == 2:
                trickle = asyncio.create_task(self._trickle(writer))
            with contextlib.suppress(OSError):
                await reader.read()
            if trickle is not None:
                trickle.cancel()
            writer.transport.abort()
        self.kept_s.append(time.monotonic() - begun_s)

    @staticmethod
    async def _trickle(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for byte in _HALF_HEADER:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1.0)


async def _report(port: int, tls: ssl.SSLContext, pod: str, sequence: int) -> tuple[bool, float]:
    """Whether a report was taken, at the first try, and how long that took."""
    begun_s = time.monotonic()
    body = json.dumps({"attempt": 1, "sequence": sequence, "stage": "preprocess", "percent": 1.0}).encode()
    head = (
        "POST /v1/namespaces/demo/trainingruns/tables/progress HTTP/1.1\r\nHost: gateway\r\n"
        f"Authorization: Bearer {pod}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, local_addr=(HONEST, 0))
            writer.write(head.encode() + body)
            answer = await reader.read()
            writer.close()
    return b" 204 " in answer.split(b"\r\n")[0], time.monotonic() - begun_s


async def _attacked(port: int, ca: Path, pod: str, connections: int) -> dict[str, Any]:
    tls = ssl.create_default_context(cafile=ca)
    attack = _Attack(port, tls)
    begun_s = time.monotonic()
    hostile = []
    opened_s = 0.0

    async def opens() -> None:
        nonlocal opened_s
        for number in range(connections):
            hostile.append(asyncio.create_task(attack.one(number)))
            await asyncio.sleep(0)
        opened_s = time.monotonic() - begun_s

    opening = asyncio.create_task(opens())
    answers = []
    while time.monotonic() - begun_s < _GIVE_UP_S and len(attack.kept_s) < connections:
        answers.append(await _report(port, tls, pod, len(answers) + 1))
        # One report a second and a few more are what a run may send.
        await asyncio.sleep(REPORT_EVERY_S if len(answers) < 8 else 1.1)
    last_closed_s = time.monotonic() - begun_s
    await opening
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
    return {
        "opened_s": opened_s,
        "last_closed_s": last_closed_s,
        "longest_kept_s": max(attack.kept_s, default=0.0),
        "reports": len(answers),
        "reports_taken": sum(taken for taken, _ in answers),
        "slowest_report_s": max(took_s for _, took_s in answers),
    }


def measure(connections: int) -> Figures:
    """Attacks a gateway of its own with that many connections."""
    with tempfile.TemporaryDirectory() as folder:
        make_gateway_certificate(Path(folder))
        (port,) = free_ports(1)
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, Path(folder), theirs))
        process.start()
        try:
            pod = ours.recv()
            seen = asyncio.run(_attacked(port, Path(folder) / "ca.crt", pod, connections))
            ours.send(None)
            growth_mib, late_s, cpu_s = ours.recv()
        finally:
            process.join(timeout=10)
            process.kill()
    return Figures(connections=connections, memory_growth_mib=growth_mib, loop_late_s=late_s, cpu_s=cpu_s, **seen)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=2000, help="default: %(default)s")
    for name, value in asdict(measure(parser.parse_args(arguments).connections)).items():
        print(f"{name:20} {value:.2f}" if isinstance(value, float) else f"{name:20} {value}")


if __name__ == "__main__":
    main()
