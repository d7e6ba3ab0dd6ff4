"""Workers that report through the gateway as the real ones do: a connection, a token and a few figures each time."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import jwt

from hack.bench.api_server import ApiServer
from hack.bench.operator.life import NAMESPACE, Life

INTERVAL_S = 10.0


class Tokens:
    """Signs what the API server would, with its own key."""

    def __init__(self, server: ApiServer) -> None:
        self._key = (server.folder / "accounts.key").read_text()
        self._key_id = server.call("GET", "/openid/v1/jwks")["keys"][0]["kid"]
        self._issuer = server.call("GET", "/.well-known/openid-configuration")["issuer"]

    def of(self, life: Life, run: str) -> str:
        """The token of the worker of a run's first preprocess attempt."""
        pod = life.pods[run]["metadata"]
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": [f"trainingrun.badgerdoc.dev/{NAMESPACE}/{run}/{life.uids[run]}/preprocess/1"],
            "iat": now,
            "exp": now + 3600,
            "kubernetes.io": {"namespace": NAMESPACE, "pod": {"name": pod["name"], "uid": pod["uid"]}},
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})


def report_for(life: Life, runs: Sequence[str], *, server: ApiServer, port: int, seconds: float) -> dict[str, float]:
    """Each run's worker reports every 10 s; answers when each report was sent, by `run sequence`.

    Raises:
        RuntimeError: a report was refused.
    """
    tokens = Tokens(server)
    bearers = {run: tokens.of(life, run) for run in runs}
    return asyncio.run(_report(bearers, port, seconds))


async def _report(bearers: dict[str, str], port: int, seconds: float) -> dict[str, float]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent_s: dict[str, float] = {}
    end_s = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(ssl=context, limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, base_url=f"https://127.0.0.1:{port}") as session:

        async def worker(run: str, delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            sequence = 0
            while time.monotonic() < end_s:
                sequence += 1
                sent_s[f"{run} {sequence}"] = time.monotonic()
                await _post(session, run, bearers[run], sequence)
                await asyncio.sleep(INTERVAL_S)

        await asyncio.gather(*(worker(run, INTERVAL_S * number / len(bearers)) for number, run in enumerate(bearers)))
    return sent_s


async def _post(session: aiohttp.ClientSession, run: str, token: str, sequence: int) -> None:
    body: dict[str, Any] = {"stage": "preprocess", "attempt": 1, "sequence": sequence}
    body |= {"percent": sequence, "etaSeconds": 600, "metrics": [{"name": "documents", "value": str(sequence)}]}
    path = f"/v1/namespaces/{NAMESPACE}/trainingruns/{run}/progress"
    for _ in range(5):
        try:
            async with session.post(path, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
                if answer.status == 204:
                    return
                if answer.status not in (429, 503):
                    raise RuntimeError(f"a report was refused: {answer.status} {await answer.text()}")
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(2.0)


def until_visible(life: Life, sent_s: dict[str, float], *, patience_s: float = 60.0) -> list[float]:
    """How long each report took to be in the status, or one that came after it. Raises TimeoutError."""
    last: dict[str, int] = {}
    for name in sent_s:
        run, _, sequence = name.partition(" ")
        last[run] = max(last.get(run, 0), int(sequence))
    waits = []
    for run, count in last.items():
        seen_s = life.progress_told.of(f"{run} {count}", timeout_s=patience_s)
        for sequence in range(count, 0, -1):
            seen_s = min(seen_s, life.progress_told.of_known(f"{run} {sequence}", seen_s))
            waits.append(seen_s - sent_s[f"{run} {sequence}"])
    return waits
