"""One request to the API server, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import config

from trainingrun_operator.api.client import ApiClient, error_of
from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    RefusedError,
    TransientError,
)

A_FIELD = {"details": {"causes": [{"reason": "FieldValueInvalid", "message": "m", "field": "spec.template"}]}}
# A ValidatingAdmissionPolicy answers like this; 422 is what it takes where its author names no other reason.
A_POLICY = {"details": {"name": "j", "causes": [{"message": "denied request: no GPUs on Fridays"}]}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, A_FIELD, InvalidError),
        (422, A_POLICY, RefusedError),
        (422, {}, RefusedError),
        (400, {}, RefusedError),
        (400, {"reason": "BadRequest"}, InvalidError),
        (403, A_POLICY, RefusedError),
        (413, {}, RefusedError),
        (401, {}, TransientError),
        (429, {}, TransientError),
        (500, {}, TransientError),
        (503, A_FIELD, TransientError),
        (404, {}, TransientError),
        (410, {}, TransientError),
        (409, {}, ConflictError),
    ],
)
def test_an_answer_is_told_by_its_status_and_by_whether_it_names_a_field(
    status: int, body: dict[str, Any], kind: type[ClusterError]
) -> None:
    error = error_of(status, json.dumps({"message": "its own words", **body}).encode(), "POST /jobs")
    assert type(error) is kind
    assert str(error) == "its own words"


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null"])
def test_an_answer_that_is_no_status_is_told_by_its_number(raw: bytes) -> None:
    assert str(error_of(502, raw, "POST /jobs")) == "POST /jobs: HTTP status 502"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"reason": "NotFound", "details": {"name": "tables", "kind": "jobs"}}, GoneError),
        ({"reason": "NotFound", "details": {"name": "another", "kind": "namespaces"}}, TransientError),
        ({"reason": "NotFound", "details": {}}, TransientError),
        ({"details": {"name": "tables"}}, TransientError),
    ],
)
def test_only_a_404_that_names_the_object_says_that_it_is_gone(body: dict[str, Any], kind: type[ClusterError]) -> None:
    error = error_of(404, json.dumps(body).encode(), "GET /jobs/tables", named="tables")
    assert type(error) is kind


def test_the_404_of_a_version_that_is_not_served_says_nothing_of_an_object() -> None:
    # Captured from kube-apiserver 1.34: no Status, whatever object is asked for.
    error = error_of(404, b"404 page not found\n", "GET /trainingruns/tables", named="tables")
    assert type(error) is TransientError


def test_an_invalid_object_tells_its_fields() -> None:
    error = error_of(422, json.dumps({"message": "its own words", **A_FIELD}).encode(), "POST /jobs")
    assert isinstance(error, InvalidError)
    assert error.causes == (("spec.template", "m"),)


@pytest.mark.parametrize(("status", "body"), [(422, A_FIELD), (400, {"reason": "BadRequest"})])
def test_what_a_webhook_refuses_is_not_invalid(status: int, body: dict[str, Any]) -> None:
    message = 'admission webhook "jobs.example" denied the request: not on Fridays'
    error = error_of(status, json.dumps({"message": message, **body}).encode(), "POST /jobs")
    assert type(error) is RefusedError


class Answers:
    """An API server that gives one answer, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.token, self.may_be_written_to = "", True
        self.status, self.headers = 200, {"Content-Type": "application/json"}
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        self.server = TestServer(application)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.token = request.headers.get("Authorization", "")
        self.asked.append((request.method, request.path_qs, await request.read()))
        return web.Response(body=b'{"kind": "Job"}', status=self.status, headers=self.headers)


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Answers, ApiClient]]:
    answers = Answers()
    async with answers.server as server:
        kubeconfig = {
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": str(server.make_url("/"))}}],
            "users": [{"name": "it", "user": {"token": "secret"}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
        monkeypatch.setattr(config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
        client = ApiClient(connections=2, may_write=lambda: answers.may_be_written_to)
        yield answers, client
        await client.close()


async def test_a_request_says_what_it_is_given(api: tuple[Answers, ApiClient]) -> None:
    answers, client = api
    selector = ("labelSelector", "a/b=c d")
    assert await client.call("PATCH", "/api/v1/pods", query=[selector], body={"a": 1}) == {"kind": "Job"}
    assert answers.asked == [("PATCH", "/api/v1/pods?labelSelector=a%2Fb%3Dc+d", b'{"a":1}')]
    assert answers.token == "Bearer secret"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_who_may_not_write_sends_only_what_changes_nothing(api: tuple[Answers, ApiClient], method: str) -> None:
    answers, client = api
    answers.may_be_written_to = False
    with pytest.raises(
        TransientError, match=f"{method} /api/v1/pods was not sent: the operator is not certain to lead"
    ):
        await client.call(method, "/api/v1/pods", body={})
    assert answers.asked == []
    await client.call("GET", "/api/v1/pods")
    answers.may_be_written_to = True
    await client.call(method, "/api/v1/pods", body={})
    assert [asked for asked, _, _ in answers.asked] == ["GET", method]


async def test_a_refusal_is_asked_for_once(api: tuple[Answers, ApiClient]) -> None:
    answers, client = api
    answers.status = 503
    with pytest.raises(TransientError):
        await client.call("GET", "/api/v1/pods")
    assert len(answers.asked) == 1


async def test_no_request_is_made_before_the_time_that_the_api_server_asks_for(
    api: tuple[Answers, ApiClient],
) -> None:
    answers, client = api
    answers.status, answers.headers = 429, {"Retry-After": "1"}
    with pytest.raises(TransientError):
        await client.call("GET", "/api/v1/pods")
    answers.status = 200
    begun_s = time.monotonic()
    await asyncio.gather(client.call("GET", "/api/v1/pods"), client.call("GET", "/apis/batch/v1/jobs"))
    assert time.monotonic() - begun_s > 0.9


async def test_an_api_server_that_is_not_there_may_come_back(api: tuple[Answers, ApiClient]) -> None:
    answers, client = api
    await answers.server.close()
    with pytest.raises(TransientError, match="GET /api/v1/pods: "):
        await client.call("GET", "/api/v1/pods")
