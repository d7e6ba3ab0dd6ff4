"""Reports over TLS, to a gateway that answers as the operator's does."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import self_signed
from training.process.deliverer import DeliveryError
from training.progress.reporter import ProgressReporter
from training.progress.senders import MAX_REPORT_BYTES, GatewaySender

pytestmark = pytest.mark.integration


@dataclass
class Gateway:
    """Answers with the next of `answers`, then 204; keeps what it was sent."""

    url: str = ""
    ca_pem: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    body_sizes: list[int] = field(default_factory=list)


def certificate_in(folder: Path) -> tuple[Path, str]:
    """A certificate for 127.0.0.1 with its key in one file, and its PEM text."""
    key, certificate = self_signed()
    path = folder / "gateway.pem"
    path.write_bytes(key + certificate)
    return path, certificate.decode()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.body_sizes.append(len(body))
            state.tokens.append(self.headers["Authorization"])
            code, headers = state.answers.pop(0) if state.answers else (204, {})
            if code == 204:
                state.reports.append(json.loads(body))
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    certificate, state.ca_pem = certificate_in(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    state.url = f"https://127.0.0.1:{server.server_port}/v1/namespaces/ns/trainingruns/run/progress"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


def test_a_worker_with_the_environment_of_its_pod_reports_with_a_token_read_each_time(
    gateway: Gateway, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    reporter = ProgressReporter.from_env(
        stage="train",
        environ={
            "TRAINING_PROGRESS_URL": gateway.url,
            "TRAINING_PROGRESS_TOKEN_FILE": str(token),
            "TRAINING_PROGRESS_CA": gateway.ca_pem,
            "TRAINING_ATTEMPT": "4",
        },
    )
    reporter.update(urgent=True, epoch=1)
    deadline = time.monotonic() + 5
    while not gateway.reports and time.monotonic() < deadline:
        time.sleep(0.01)
    token.write_text("second\n")
    reporter.close()
    assert gateway.tokens == ["Bearer first", "Bearer second"]
    assert [report["final"] for report in gateway.reports] == [False, True]
    assert gateway.reports[-1]["attempt"] == 4
    assert gateway.reports[-1]["epoch"] == 1


@pytest.mark.parametrize(
    ("answer", "headers", "retry"),
    [
        (401, {}, True),
        (403, {}, True),
        (409, {}, False),
        (413, {}, False),
        (422, {}, False),
        (429, {}, True),
        (503, {}, True),
    ],
)
def test_the_gateways_answers_say_whether_a_report_is_tried_again(
    gateway: Gateway, answer: int, headers: dict[str, str], retry: bool
) -> None:
    gateway.answers.append((answer, headers))
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=gateway.ca_pem)
    with pytest.raises(DeliveryError) as failed:
        sender.send({"sequence": 1})
    assert failed.value.retry is retry


@pytest.mark.parametrize(("refusals", "arrives"), [(7, True), (8, False)])
def test_an_operator_that_stands_by_refuses_and_the_next_try_finds_the_one_that_leads(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, refusals: int, arrives: bool
) -> None:
    connect = socket.create_connection
    tries = iter(range(100))

    def by_chance(*arguments: Any, **options: Any) -> socket.socket:
        if next(tries) < refusals:
            raise ConnectionRefusedError
        return connect(*arguments, **options)

    monkeypatch.setattr(socket, "create_connection", by_chance)
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=gateway.ca_pem)
    if arrives:
        sender.send({"sequence": 1})
    else:
        with pytest.raises(DeliveryError) as failed:
            sender.send({"sequence": 1})
        assert failed.value.retry
    assert len(gateway.reports) == arrives


def test_the_gateways_wish_to_wait_is_heard_within_reason(gateway: Gateway) -> None:
    gateway.answers += [(429, {"Retry-After": "7"}), (429, {"Retry-After": "86400"}), (429, {"Retry-After": "soon"})]
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=gateway.ca_pem)
    waits = []
    for _ in range(3):
        with pytest.raises(DeliveryError) as failed:
            sender.send({"sequence": 1})
        waits.append(failed.value.after_s)
    assert waits == [7.0, 60.0, 0.0]


def test_the_token_follows_no_redirect(gateway: Gateway) -> None:
    gateway.answers.append((302, {"Location": gateway.url}))
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=gateway.ca_pem)
    with pytest.raises(DeliveryError, match="HTTP 302"):
        sender.send({"sequence": 1})
    assert len(gateway.tokens) == 1


def test_a_gateway_with_another_certificate_gets_no_token(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, other_ca = certificate_in(tmp_path / "other")
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=other_ca)
    with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
        sender.send({"sequence": 1})
    assert gateway.tokens == []


def test_a_report_that_is_too_large_is_sent_without_what_it_can_do_without(gateway: Gateway) -> None:
    sender = GatewaySender(gateway.url, token_file=None, ca_pem=gateway.ca_pem)
    sender.send({"sequence": 1, "metrics": ["x" * 100] * 200, "resumePoints": [1]})
    assert gateway.body_sizes[0] <= MAX_REPORT_BYTES
    assert gateway.reports == [{"sequence": 1, "resumePoints": [1]}]
