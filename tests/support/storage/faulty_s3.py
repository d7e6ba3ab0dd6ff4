"""A proxy before an S3 server that lets requests through, refuses them, answers 503, or breaks uploads off."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASS, BREAK = "pass", "break"
NOT_FORWARDED = ("transfer-encoding", "connection", "content-length", "date", "server")
Fault = Callable[[str, str], int | str]  # method and path -> PASS, BREAK, or the HTTP status to answer with


class FaultyS3:
    """What the proxy does is `fault`'s to say, which may be changed at any time; `seen` has what it met."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self.fault: Fault = lambda _method, _path: PASS
        self.seen: list[tuple[str, str]] = []
        self.failed = 0
        self.dropped_header = ""  # of the answers, in lower case
        self.endpoint = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                fault = proxy.fault(self.command, path)
                proxy.seen.append((self.command, path))
                if fault == PASS:
                    self._forward(body)
                    return
                proxy.failed += 1
                self.close_connection = True
                if fault != BREAK:
                    self.send_response(int(fault))
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def _forward(self, body: bytes) -> None:
                # With the client's Host, which its signature covers.
                connection = http.client.HTTPConnection(proxy.upstream, timeout=60)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in (*NOT_FORWARDED, proxy.dropped_header):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)
                connection.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle  # noqa: N815  http.server's names

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def faulty_s3(upstream: str) -> Iterator[FaultyS3]:
    """Runs the proxy on the loopback interface."""
    proxy = FaultyS3(upstream)
    with ThreadingHTTPServer(("127.0.0.1", 0), proxy.handler()) as server:
        server.daemon_threads = True
        proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
