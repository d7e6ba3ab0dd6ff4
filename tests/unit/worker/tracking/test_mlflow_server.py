"""What is sent to an MLflow server, and what its answers mean. Its own code answers in tests/integration/train."""

import io
import json
import ssl
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

import pytest

from training.tracking import mlflow_server
from training.tracking.mlflow_server import MlflowError, MlflowServer

FOUND = {"runs": [{"info": {"run_id": "r1"}}]}


class Wire:
    """Stands in for the network: answers by path with content, or with the exception to raise."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "experiments/get-by-name": {"experiment": {"experiment_id": "7"}},
            "experiments/create": {"experiment_id": "8"},
            "runs/search": {},
            "runs/create": {"run": {"info": {"run_id": "r1"}}},
            "runs/update": {},
            "runs/log-batch": {},
        }
        self.sent: list[tuple[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.tls: ssl.SSLContext | None = None

    def __call__(self, request: Request, *, timeout: float, context: ssl.SSLContext | None) -> io.BytesIO:
        assert timeout <= 10
        self.headers = dict(request.header_items())
        self.tls = context
        _, _, path = request.full_url.partition("/api/2.0/mlflow/")
        path = path.partition("?")[0]
        body = request.data
        assert body is None or isinstance(body, bytes)
        self.sent.append((path, json.loads(body) if body else request.full_url))
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def batches(self, kind: str) -> list[list[Any]]:
        return [content[kind] for path, content in self.sent if path == "runs/log-batch" and kind in content]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(mlflow_server, "urlopen", wire)
    return wire


def server(uri: str = "http://mlflow:5000/team/", *, parameters: int = 2) -> MlflowServer:
    values = {f"p{number}": number for number in range(parameters)}
    return MlflowServer(uri, training_id="abc", name="team/invoices", parameters=values)


def refusal(status: int, body: str) -> HTTPError:
    return HTTPError("http://mlflow", status, "Bad", Message(), io.BytesIO(body.encode()))


def test_a_new_training_becomes_a_run_with_its_parameters(wire: Wire) -> None:
    server(parameters=150).open()
    paths = [path for path, _ in wire.sent]
    assert paths == [
        "experiments/get-by-name",
        "runs/search",
        "runs/create",
        "runs/log-batch",
        "runs/log-batch",
    ]
    assert wire.sent[0][1] == (
        "http://mlflow:5000/team/api/2.0/mlflow/experiments/get-by-name?experiment_name=table-detector"
    )
    created = wire.sent[2][1]
    assert (created["experiment_id"], created["run_name"]) == ("7", "team/invoices")
    assert created["tags"] == [{"key": "trainingrun.training_id", "value": "abc"}]
    assert [len(batch) for batch in wire.batches("params")] == [100, 50]
    assert wire.batches("params")[0][3] == {"key": "p3", "value": "3"}


def test_a_training_that_continues_continues_its_run(wire: Wire) -> None:
    wire.answers["runs/search"] = FOUND
    server().open()
    assert wire.sent[1][1]["filter"] == "tags.`trainingrun.training_id` = 'abc'"
    assert wire.sent[2:] == [("runs/update", {"run_id": "r1", "status": "RUNNING"})]


def test_an_experiment_that_is_missing_is_created(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "invoices & more")
    wire.answers["experiments/get-by-name"] = refusal(404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}')
    server().open()
    assert wire.sent[0][1].endswith("?experiment_name=invoices+%26+more")
    assert wire.sent[1] == ("experiments/create", {"name": "invoices & more"})
    assert wire.sent[2][1]["experiment_ids"] == ["8"]


def test_values_are_sent_by_the_thousand_and_those_without_a_number_by_name(wire: Wire) -> None:
    ours = server()
    ours.open()
    ours.log([("loss", float(number), number * 1000, number) for number in range(2500)])
    assert [len(batch) for batch in wire.batches("metrics")] == [1000, 1000, 500]
    assert wire.batches("metrics")[1][0] == {"key": "loss", "value": 1000.0, "timestamp": 1_000_000, "step": 1000}
    ours.log([("loss", value, 0, 0) for value in (float("nan"), float("inf"), float("-inf"))])
    assert [metric["value"] for metric in wire.batches("metrics")[-1]] == ["NaN", "Infinity", "-Infinity"]


def test_the_end_has_its_status_and_its_time(wire: Wire) -> None:
    ours = server()
    ours.open()
    ours.end("KILLED")
    path, content = wire.sent[-1]
    assert (path, content["run_id"], content["status"]) == ("runs/update", "r1", "KILLED")
    assert content["end_time"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal(400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "m"}'), "INVALID_PARAMETER_VALUE: m"),
        (refusal(403, "Permission denied"), "HTTP 403 Bad Permission denied"),
        (refusal(502, '["no code"]'), 'HTTP 502 Bad ["no code"]'),
        (URLError(ConnectionRefusedError(111, "Connection refused")), "[Errno 111] Connection refused"),
        (TimeoutError("timed out"), "no answer that can be read: timed out"),
        (b"<html>", "no answer that can be read: Expecting value: line 1 column 1 (char 0)"),
        ([], "its answer is not MLflow's: check MLFLOW_TRACKING_URI"),
    ],
)
def test_what_goes_wrong_is_said_in_the_servers_words(wire: Wire, answer: object, message: str) -> None:
    wire.answers["experiments/get-by-name"] = answer
    with pytest.raises(MlflowError) as raised:
        server().open()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, None),
        ({"TOKEN": "t"}, "Bearer t"),
        ({"USERNAME": "ann", "PASSWORD": "pw", "TOKEN": "t"}, "Basic YW5uOnB3"),
        ({"USERNAME": "ann"}, None),
    ],
)
def test_the_environment_says_who_asks(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], header: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    server().open()
    assert wire.headers.get("Authorization") == header
    assert wire.tls is None


@pytest.mark.parametrize(("insecure", "mode"), [("", ssl.CERT_REQUIRED), ("true", ssl.CERT_NONE)])
def test_the_environment_says_whom_to_trust(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, insecure: str, mode: ssl.VerifyMode
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", insecure)
    server("https://mlflow").open()
    assert wire.tls is not None
    assert wire.tls.verify_mode == mode


def test_a_certificate_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/nowhere/ca.pem")
    with pytest.raises(FileNotFoundError):
        server("https://mlflow")


@pytest.mark.parametrize(
    "uri", ["file:///tmp/mlruns", "databricks", "sqlite:///a.db", "https://ann:pw@mlflow", "http://"]
)
def test_what_is_no_server_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="not the address of an MLflow server"):
        server(uri)
