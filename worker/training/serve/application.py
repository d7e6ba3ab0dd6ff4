"""The HTTP side: takes PDFs within a size and a time, and answers with BadgerDoc JSON or a page to look at.

| request | answer |
|---|---|
| `POST /v1/tables`, the PDF as its body | BadgerDoc JSON, or HTML with `Accept: text/html` |
| `GET /` | a page to try a PDF in the browser |
| `GET /healthz` | 200, or 503 with the reason to start the process anew |
| `GET /metrics` | Prometheus' text format |
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

from aiohttp import web

from training.documents.quarantine import DocumentError
from training.errors import one_line
from training.serve.documents import Answer, BusyError, Documents, LateError, Upload
from training.serve.metrics import CONTENT_TYPE, Metrics

logger = logging.getLogger(__name__)
RETRY_AFTER_S = 5
MAX_NAME = 200  # characters of a document's name
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# The page shows the result in a frame, which inherits this: its pictures and style are in it, and no script is run.
TRY_IT_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATIC = {
    "/": ("try_it.html", "text/html"),
    "/try_it.js": ("try_it.js", "text/javascript"),
    "/try_it.css": ("try_it.css", "text/css"),
}


class RefusedError(Exception):
    """A request that gets no tables: an HTTP status, a word and a sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is taken from the network: `body_bytes` of a PDF within `body_seconds`, in a folder of `scratch` each."""

    body_bytes: int
    body_seconds: float
    scratch: Path


class Application:
    """Serves `documents`."""

    def __init__(self, documents: Documents, bounds: Bounds) -> None:
        self._documents = documents
        self._bounds = bounds
        self._metrics = Metrics(documents_in_all=lambda: documents.in_all)

    def build(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application()
        application.router.add_post("/v1/tables", self._tables)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/metrics", self._show_metrics)
        for path in _STATIC:
            application.router.add_get(path, self._static)
        return application

    async def _tables(self, request: web.Request) -> web.Response:
        started_s = time.monotonic()
        try:
            answer = await self._answer(request)
        except RefusedError as error:
            self._metrics.requests.labels(str(error.status)).inc()
            headers = HEADERS | ({"Retry-After": str(RETRY_AFTER_S)} if error.status == 503 else {})
            body = {"reason": error.reason, "message": one_line(str(error))}
            return web.json_response(body, status=error.status, headers=headers)
        self._metrics.requests.labels("200").inc()
        self._metrics.pages.inc(answer.pages)
        self._metrics.seconds.observe(time.monotonic() - started_s)
        return web.Response(body=answer.body, content_type=answer.content_type, charset="utf-8", headers=HEADERS)

    async def _answer(self, request: web.Request) -> Answer:
        name = _name(request)
        password = request.headers.get("X-Pdf-Password")
        with tempfile.TemporaryDirectory(dir=self._bounds.scratch, ignore_cleanup_errors=True) as folder:
            pdf = Path(folder) / "document.pdf"
            await self._receive(request, pdf)
            given_up = threading.Event()
            upload = Upload(pdf=pdf, name=name, password=unquote(password) if password else None)
            as_html = "text/html" in request.headers.get("Accept", "")
            try:
                future = self._documents.predict(upload, as_html=as_html, is_given_up=given_up.is_set)
            except BusyError:
                message = f"As many documents wait as may; send this one again in {RETRY_AFTER_S} seconds."
                raise RefusedError(503, "busy", message) from None
            answer = asyncio.wrap_future(future)
            try:
                return await asyncio.shield(answer)
            except asyncio.CancelledError:
                # Whoever sent it is gone; its files are needed until its thread is.
                given_up.set()
                with suppress(Exception):
                    await answer
                raise
            except Exception as error:  # noqa: BLE001  one document's failure is its sender's answer
                _refuse(name, error)

    async def _receive(self, request: web.Request, pdf: Path) -> None:
        most = self._bounds.body_bytes
        too_large = RefusedError(413, "too_large", f"The PDF has more than {most >> 20} MiB; send it in parts.")
        if (request.content_length or 0) > most:
            raise too_large
        size = 0
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                with pdf.open("wb") as file:
                    async for part in request.content.iter_any():
                        size += len(part)
                        if size > most:
                            raise too_large
                        file.write(part)
        except TimeoutError:
            raise RefusedError(
                408, "slow", f"The PDF was not here after {self._bounds.body_seconds:g} seconds."
            ) from None
        if size == 0:
            raise RefusedError(400, "empty", "The request has no body; send the PDF as its body.")

    async def _healthz(self, _: web.Request) -> web.Response:
        trouble = self._documents.trouble
        return web.Response(status=503 if trouble else 200, text=f"{trouble or 'ok'}\n")

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _static(self, request: web.Request) -> web.Response:
        name, content_type = _STATIC[request.path]
        body = (files(__package__) / "static" / name).read_bytes()
        headers = HEADERS | {"Content-Security-Policy": TRY_IT_POLICY}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)


def _name(request: web.Request) -> str:
    """What the document is called in the answer: the name in `?name=`, without control characters."""
    given = "".join(letter for letter in request.query.get("name", "") if letter.isprintable()).strip()
    return given[:MAX_NAME] or "document.pdf"


def _refuse(name: str, error: Exception) -> NoReturn:
    if isinstance(error, LateError):
        raise RefusedError(504, "late", "The document took longer than one may; send it in parts.") from None
    if isinstance(error, DocumentError):
        logger.warning("%s: %s: %s", name, error.quarantine_reason, error)
        raise RefusedError(422, error.quarantine_reason, str(error)) from None
    logger.error("%s could not be predicted", name, exc_info=error)
    raise RefusedError(500, "unexpected", "The document could not be predicted; the server's log says why.") from None
