"""The port for the kubelet and for Prometheus: plain HTTP, read only, nothing secret in it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from trainingrun_operator.endpoints.connections import Limits
from trainingrun_operator.endpoints.listener import Listener
from trainingrun_operator.endpoints.refusals import Refusals

# Kubelets and Prometheuses are few.
_LIMITS = Limits(in_all=32, per_source=8, fruitless_in_all=100, fruitless_per_source=20)


def listener(registry: CollectorRegistry, *, trouble: Callable[[], str | None]) -> Listener:
    """Answers `/metrics`, and `/healthz` with 200 or 503.

    Args:
        trouble: why the operator should be started anew, in a sentence, or None.
    """

    async def healthz(_: web.Request) -> web.Response:
        sentence = trouble()
        return web.Response(status=503 if sentence else 200, text=f"{sentence or 'ok'}\n")

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/metrics", show_metrics)
    return Listener("monitoring", application, limits=_LIMITS, refusals=Refusals("monitoring"))
