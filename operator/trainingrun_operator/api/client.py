"""One request to the API server: plain data in, plain data out, errors as `core/errors.py` has them.

The kubernetes client finds the credentials; the requests are aiohttp's, on the event loop. The client's own calls cost
several times the CPU, in threads or not, and its models refuse what a newer API server may add. Nothing is repeated
here: the work queue backs off.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes import client, config
from kubernetes.client.rest import should_bypass_proxies
from yarl import URL

from trainingrun_operator import metrics
from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    RefusedError,
    TransientError,
)
from trainingrun_operator.core.names import FIELD_MANAGER

Object = dict[str, Any]
_CONNECT_S = 10.0
# Less than the 90 s after which kube-apiserver closes a connection: a request must not meet that.
_KEEP_ALIVE_S = 60.0
_HEADERS = {
    # The keys are served as application/jwk-set+json alone.
    "Accept": "application/json, application/jwk-set+json",
    "Accept-Encoding": "identity",
    "User-Agent": FIELD_MANAGER,
}
_ERRORS: dict[int, type[ClusterError]] = {
    401: TransientError,
    # Of an object that exists, an API server that starts, lags or is asked through a proxy may say so.
    404: TransientError,
    409: ConflictError,
    # What a list is to be continued with has expired.
    410: TransientError,
    429: TransientError,
}
# How the API server begins what a webhook says.
_BY_A_WEBHOOK = 'admission webhook "'
# An API server asks for seconds; whoever asks for more is not believed.
_MAX_RETRY_AFTER_S = 30.0


class ApiClient:
    """Connections to the API server, with the pod's service account or the kubeconfig."""

    def __init__(
        self, *, connections: int, may_write: Callable[[], bool] = lambda: True, timeout_s: float = 30.0
    ) -> None:
        """Loads the credentials. An event loop must run.

        Args:
            connections: at the same time.
            may_write: asked right before each request that changes something.
            timeout_s: how long each part of an answer may take.

        Raises:
            kubernetes.config.ConfigException: there are no credentials.
        """
        self._configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=self._configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=self._configuration)  # type: ignore[no-untyped-call]
        no_proxy = should_bypass_proxies(self._configuration.host, self._configuration.no_proxy or "")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, ssl=_tls(self._configuration), keepalive_timeout=_KEEP_ALIVE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            proxy=None if no_proxy else self._configuration.proxy,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_CONNECT_S, timeout_s), sock_read=timeout_s),
        )
        self._may_write = may_write
        self._not_before_s = 0.0

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        named: str | None = None,
    ) -> Object:
        """One request.

        Args:
            named: the object that is asked for, where it is one.

        Raises:
            ClusterError: as `error_of` tells; GoneError only where the API server says that `named` is not there.
        """
        wait_s = self._not_before_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        headers, data = {}, None
        # Asked for anew each time: a projected token is renewed.
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body, separators=(",", ":")).encode()
        if method != "GET" and not self._may_write():
            raise TransientError(f"{method} {path} was not sent: the operator is not certain to lead")
        url = f"{self._configuration.host}{path}{'?' if query else ''}{urlencode(query)}"
        try:
            request = self._session.request(
                method,
                URL(url, encoded=True),
                data=data,
                headers=headers,
                allow_redirects=False,
                server_hostname=self._configuration.tls_server_name,
            )
            async with request as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            metrics.API_REQUESTS.labels(method, "none").inc()
            raise TransientError(f"{method} {path}: {error or type(error).__name__}") from error
        metrics.API_REQUESTS.labels(method, answer.status).inc()
        if answer.status >= 300:
            self._heed(answer.headers.get("Retry-After", ""))
            raise error_of(answer.status, raw, f"{method} {path}", named=named)
        found: Object = json.loads(raw)
        return found

    def _heed(self, retry_after: str) -> None:
        """An API server that is asked too much is asked nothing for a while, about whatever."""
        if retry_after.isdecimal():
            self._not_before_s = time.monotonic() + min(float(retry_after), _MAX_RETRY_AFTER_S)


def _tls(configuration: client.Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def error_of(status: int, raw: bytes, request: str, *, named: str | None = None) -> ClusterError:
    """What an answer of the API server means.

    A policy or a webhook may say no with any 4xx, 422 included; of the API server's own answers only validation names
    the field that is wrong, and only what it can't even read is a bad request. A 404 may be of a version that is not
    served for a moment, or of a proxy: only one that names the object says that it is gone.

    Args:
        named: the object that was asked for, where it was one.
    """
    try:
        answer = json.loads(raw)
        message, reason = str(answer.get("message") or ""), answer.get("reason")
        details = answer.get("details") or {}
        causes = tuple(
            (str(cause["field"]), str(cause.get("message") or ""))
            for cause in details.get("causes") or ()
            if cause.get("field")
        )
        names_the_object = reason == "NotFound" and named is not None and details.get("name") == named
    except (ValueError, AttributeError):
        message, reason, causes, names_the_object = "", None, (), False
    message = message or f"{request}: HTTP status {status}"
    if status == 404 and names_the_object:
        return GoneError(message)
    is_wrong = (status == 422 and causes) or (status == 400 and reason == "BadRequest")
    if is_wrong and not message.startswith(_BY_A_WEBHOOK):
        return InvalidError(message, causes)
    return _ERRORS.get(status, TransientError if status >= 500 else RefusedError)(message)
