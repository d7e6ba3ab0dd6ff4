"""A training's run on an MLflow server, by the server's REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html).

MLflow's own client would bring thirty packages, 50 MB and an import of three seconds for these six requests.
"""

import base64
import json
import math
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

DEFAULT_EXPERIMENT = "table-detector"
TRAINING_TAG = "trainingrun.training_id"
MAX_VALUES = 1000  # the API's limits for one request
MAX_PARAMETERS = 100
TIMEOUT_S = 10.0
MetricValue = tuple[str, float, int, int]  # name, value, milliseconds since 1970, iteration


class MlflowError(Exception):
    """The server did not do what it was asked to: it refused, or did not answer. `code` is its own word for why."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MlflowServer:
    """The server that `uri` names, and the run that this training has there.

    Its methods wait for the server, at most 10 s a request, and raise MlflowError. The environment says who asks and
    whom to trust, with MLflow's own names for it. A ValueError or OSError says that `uri` or the environment cannot be
    used.
    """

    def __init__(self, uri: str, *, training_id: str, name: str, parameters: Mapping[str, object]) -> None:
        address = urlsplit(uri)
        if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc:
            raise ValueError(
                "MLFLOW_TRACKING_URI is not the address of an MLflow server: start one with `mlflow server` and name "
                "it as https://mlflow.example.com; user and password have variables of their own"
            )
        self._api = f"{uri.rstrip('/')}/api/2.0/mlflow"
        self._headers = {"Content-Type": "application/json", **_authorization()}
        self._tls = _tls() if address.scheme == "https" else None
        self._training_id = training_id
        self._name = name
        self._parameters = parameters
        self._run_id = ""

    def open(self) -> None:
        """Continues the training's MLflow run where there is one, or creates it."""
        experiment = self._experiment()
        search = {"experiment_ids": [experiment], "filter": f"tags.`{TRAINING_TAG}` = '{self._training_id}'"}
        found = self._post("runs/search", {**search, "max_results": 1}).get("runs")
        if found:
            self._run_id = found[0]["info"]["run_id"]
            self._post("runs/update", {"run_id": self._run_id, "status": "RUNNING"})
            return
        run = {"experiment_id": experiment, "run_name": self._name, "start_time": _now_ms()}
        tags = [{"key": TRAINING_TAG, "value": self._training_id}]
        self._run_id = self._post("runs/create", {**run, "tags": tags})["run"]["info"]["run_id"]
        parameters = [{"key": key, "value": str(value)} for key, value in self._parameters.items()]
        for part in _parts(parameters, MAX_PARAMETERS):
            self._post("runs/log-batch", {"run_id": self._run_id, "params": part})

    def log(self, values: list[MetricValue]) -> None:
        """Adds metric values to the run."""
        metrics = [
            {"key": name, "value": _json_number(value), "timestamp": at_ms, "step": step}
            for name, value, at_ms, step in values
        ]
        for part in _parts(metrics, MAX_VALUES):
            self._post("runs/log-batch", {"run_id": self._run_id, "metrics": part})

    def end(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED."""
        self._post("runs/update", {"run_id": self._run_id, "status": status, "end_time": _now_ms()})

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        query = urlencode({"experiment_name": name})
        try:
            return str(self._ask(f"experiments/get-by-name?{query}")["experiment"]["experiment_id"])
        except MlflowError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
        return str(self._post("experiments/create", {"name": name})["experiment_id"])

    def _post(self, path: str, content: Mapping[str, object]) -> dict[str, Any]:
        return self._ask(path, json.dumps(content, allow_nan=False).encode())

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = Request(f"{self._api}/{path}", data=body, headers=self._headers)  # noqa: S310  the scheme was checked
        try:
            with urlopen(request, timeout=TIMEOUT_S, context=self._tls) as response:  # noqa: S310
                answer = json.load(response)
        except HTTPError as error:
            raise _refusal(error) from error
        except URLError as error:
            raise MlflowError(str(error.reason)) from error
        except (OSError, HTTPException, ValueError) as error:
            raise MlflowError(f"no answer that can be read: {error}") from error
        if not isinstance(answer, dict):
            raise MlflowError("its answer is not MLflow's: check MLFLOW_TRACKING_URI")
        return answer


def _authorization() -> dict[str, str]:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    if certificate:
        context.load_cert_chain(certificate)
    return context


def _refusal(error: HTTPError) -> MlflowError:
    said = error.read(10_000).decode(errors="replace")
    try:
        reason = json.loads(said)
        return MlflowError(f"{reason['error_code']}: {reason['message']}", code=str(reason["error_code"]))
    except (ValueError, KeyError, TypeError):
        return MlflowError(f"HTTP {error.code} {error.reason} {said}".strip())


def _json_number(value: float) -> float | str:
    """As protobuf's JSON writes what JSON has no numbers for: "NaN", "Infinity", "-Infinity"."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _parts(items: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    return (items[first : first + size] for first in range(0, len(items), size))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
